// The passkey ceremonies.
import { call } from "./api.js";
import { tellManagers } from "./signals.js";
import { word } from "./words.js";

export const hasPasskeys = typeof PublicKeyCredential === "function" && Boolean(navigator.credentials);

// Whether passkeys work at this page's address: the one that they are bound to, or one that is related to it. Says so if they
// don't.
export async function atPasskeyAddress() {
  const alert = document.querySelector("[data-passkeys-at]");
  if (!alert) return true;
  const { passkeysAt: right, related = "" } = alert.dataset;
  alert.hidden = right === location.origin || (related.split(" ").includes(location.origin) && (await takesRelated(right)));
  const here = alert.querySelector("[data-here]");
  if (here) here.textContent = location.origin;
  const link = alert.querySelector("[data-go-there]");
  if (link) link.href = right + location.pathname + location.search;
  return alert.hidden;
}

// At a related address a browser that knows no such things, and doesn't tell, is led to the right one.
function pointToAddress() {
  const alert = document.querySelector("[data-passkeys-at]");
  if (alert) alert.hidden = alert.dataset.passkeysAt === location.origin;
}

// Not every browser knows related origins; below the host that passkeys are bound to none need to.
async function takesRelated(right) {
  const { hostname } = new URL(right);
  if (location.hostname === hostname || location.hostname.endsWith(`.${hostname}`)) return true;
  return (await globalThis.PublicKeyCredential?.getClientCapabilities?.())?.relatedOrigins !== false;
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

// The server has no such passkey (any more).
function isUnknown(error) {
  return error.details?.reason === "unknown_credential";
}

// The words for what a browser or the server said.
export function passkeyProblem(error) {
  if (isUnknown(error)) return word("passkey-unknown");
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
  if (error.name === "SecurityError") pointToAddress();
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

// `hint` is the kind of authenticator that the browser shall offer first.
export async function register(hint) {
  const { signal } = begin();
  const { data } = await call("GET", "/api/webauthn/register/start");
  signal.throwIfAborted();
  const publicKey = creation(data);
  if (hint) publicKey.hints = [hint];
  const credential = await navigator.credentials.create({ publicKey, signal });
  return (await call("POST", "/api/webauthn/register/finish", json(credential))).data;
}

// Proves to `url`. A passkey that is not known there is not offered again by managers that listen.
async function prove(url, more = {}, control = begin()) {
  const { data } = await call("GET", "/api/webauthn/login/start");
  control.signal.throwIfAborted();
  const answer = json(await navigator.credentials.get({ publicKey: request(data), signal: control.signal, ...more }));
  try {
    return (await call("POST", url, answer)).data;
  } catch (error) {
    if (isUnknown(error)) tellManagers("signalUnknownCredential", { rpId: data.rpId, credentialId: answer.id });
    throw error;
  }
}

const FINISH = "/api/webauthn/login/finish";

export async function signIn(interaction) {
  return prove(interaction ? `${FINISH}?interaction=${encodeURIComponent(interaction)}` : FINISH);
}

export async function reauthenticate() {
  return prove("/api/webauthn/reauthenticate");
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
      return await prove(FINISH, { mediation: "conditional" }, control);
    } catch (error) {
      if (!stale) throw error;
    } finally {
      clearTimeout(renewal);
    }
  }
}
