// What password managers are told of the passkeys here (Signal API, WebAuthn L3 §5.1.10). Who doesn't listen misses nothing.

export function tellManagers(method, options) {
  globalThis.PublicKeyCredential?.[method]?.(options).catch(() => {});
}

let told;

// Which passkeys of this person count, and what they are called now: on every visit, since an administrator may have changed
// it, and after each change on this page.
function tellAll() {
  const place = document.querySelector("[data-signals]");
  // Another part of the page was read anew: what stands here may be old, and would hide a passkey added elsewhere.
  if (!place || place === told) return;
  told = place;
  const { rp: rpId, user: userId, name, displayName, credentials } = place.dataset;
  tellManagers("signalAllAcceptedCredentials", { rpId, userId, allAcceptedCredentialIds: credentials.split(" ").filter(Boolean) });
  tellManagers("signalCurrentUserDetails", { rpId, userId, name, displayName });
}

export function startSignals() {
  document.addEventListener("refreshed", tellAll);
  tellAll();
}
