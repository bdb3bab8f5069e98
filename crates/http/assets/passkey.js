// The passkey ceremonies.
import { call } from "./api.js";
import { word } from "./words.js";

export const hasPasskeys = typeof PublicKeyCredential === "function" && Boolean(navigator.credentials);

// Whether this page's address is the one that passkeys are bound to; says so if it is not.
export function atPasskeyAddress() {
  const alert = document.querySelector("[data-passkeys-at]");
  if (!alert) return true;
  const right = alert.dataset.passkeysAt;
  alert.hidden = right === location.origin;
  const here = alert.querySelector("[data-here]");
  if (here) here.textContent = location.origin;
  const link = alert.querySelector("[data-go-there]");
  if (link) link.href = right + location.pathname + location.search;
  return alert.hidden;
}

function bytes(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (c) => c.charCodeAt(0));
}

function text(buffer) {
  if (!buffer) return undefined;
  return btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function creation(options) {
  if (PublicKeyCredential.parseCreationOptionsFromJSON) return PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: (options.excludeCredentials ?? []).map((c) => ({ ...c, id: bytes(c.id) })),
  };
}

function request(options) {
  if (PublicKeyCredential.parseRequestOptionsFromJSON) return PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return { ...options, challenge: bytes(options.challenge) };
}

// Some password managers' objects have no (or a broken) toJSON.
function json(credential) {
  const r = credential.response;
  const response = { clientDataJSON: text(r.clientDataJSON) };
  if (r.attestationObject) {
    response.attestationObject = text(r.attestationObject);
    response.transports = r.getTransports?.() ?? [];
  } else {
    response.authenticatorData = text(r.authenticatorData);
    response.signature = text(r.signature);
    response.userHandle = text(r.userHandle);
  }
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: credential.getClientExtensionResults?.() ?? {},
    response,
  };
}

// The words for what a browser or the server said.
export function passkeyProblem(error) {
  const byCode = {
    invalid_webauthn_session: word("request-expired"),
    missing_session_id: word("request-expired"),
    invalid_webauthn_response: word("passkey-unreadable"),
    webauthn_authentication_failed: word("passkey-unverified"),
    passkey_user_verification_required: word("passkey-needs-pin"),
    synced_passkey_not_allowed: word("passkey-synced"),
    passkey_already_registered: word("passkey-registered"),
  };
  if (byCode[error.code]) return byCode[error.code];
  if (error.status !== undefined) return error.message;
  const byName = {
    NotAllowedError: word("passkey-canceled"),
    AbortError: word("passkey-aborted"),
    SecurityError: word("passkey-domain"),
    InvalidStateError: word("passkey-registered"),
    ConstraintError: word("passkey-incapable"),
    NotSupportedError: word("passkey-incapable"),
  };
  return byName[error.name] ?? word("passkey-failed");
}

let pending = null;

// One ceremony at a time: the one that begins ends the one that waits, be it in the autofill.
function begin() {
  pending?.abort();
  pending = new AbortController();
  return pending;
}

export async function register() {
  const { signal } = begin();
  const { data } = await call("GET", "/api/webauthn/register/start");
  signal.throwIfAborted();
  const credential = await navigator.credentials.create({ publicKey: creation(data), signal });
  return (await call("POST", "/api/webauthn/register/finish", json(credential))).data;
}

async function assertion(more = {}, control = begin()) {
  const { data } = await call("GET", "/api/webauthn/login/start");
  control.signal.throwIfAborted();
  return json(await navigator.credentials.get({ publicKey: request(data), signal: control.signal, ...more }));
}

async function finish(answer, interaction) {
  const inside = interaction ? `?interaction=${encodeURIComponent(interaction)}` : "";
  return (await call("POST", `/api/webauthn/login/finish${inside}`, answer)).data;
}

export async function signIn(interaction) {
  return finish(await assertion(), interaction);
}

export async function reauthenticate() {
  return (await call("POST", "/api/webauthn/reauthenticate", await assertion())).data;
}

export async function suggestsPasskeys() {
  return hasPasskeys && Boolean(await PublicKeyCredential.isConditionalMediationAvailable?.());
}

// Signs in by the suggestion that the browser shows in a field (conditional UI). That waits until the person picks one,
// which may be long after the challenge has ended; so it is begun anew in time.
export async function signInByAutofill() {
  for (;;) {
    const control = begin();
    let stale = false;
    const renewal = setTimeout(() => {
      stale = true;
      control.abort();
    }, 4 * 60 * 1000);
    try {
      return await finish(await assertion({ mediation: "conditional" }, control));
    } catch (error) {
      if (!stale) throw error;
    } finally {
      clearTimeout(renewal);
    }
  }
}
