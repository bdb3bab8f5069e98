// The passkey ceremonies.
import { call } from "./api.js";
import { word } from "./words.js";

export const hasPasskeys = typeof PublicKeyCredential === "function" && Boolean(navigator.credentials);

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

// One ceremony at a time: a new one ends the one that waits in the autofill.
function begin() {
  pending?.abort();
  pending = new AbortController();
  return pending.signal;
}

export async function register() {
  const { data } = await call("GET", "/api/webauthn/register/start");
  const credential = await navigator.credentials.create({ publicKey: creation(data), signal: begin() });
  return (await call("POST", "/api/webauthn/register/finish", json(credential))).data;
}

async function assertion(mediation) {
  const { data } = await call("GET", "/api/webauthn/login/start");
  const options = { publicKey: request(data), signal: begin() };
  if (mediation) options.mediation = mediation;
  return json(await navigator.credentials.get(options));
}

function forInteraction(id) {
  return id ? `?interaction=${encodeURIComponent(id)}` : "";
}

export async function signIn(interaction) {
  const answer = await assertion();
  return (await call("POST", `/api/webauthn/login/finish${forInteraction(interaction)}`, answer)).data;
}

// Signs in by the suggestion that the browser shows in a field (conditional UI).
export async function signInByAutofill(interaction) {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return null;
  const answer = await assertion("conditional");
  return (await call("POST", `/api/webauthn/login/finish${forInteraction(interaction)}`, answer)).data;
}

export async function reauthenticate() {
  return (await call("POST", "/api/webauthn/reauthenticate", await assertion())).data;
}
