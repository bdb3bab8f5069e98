// What this browser and this address can do with passkeys.
import { atPasskeyAddress, hasPasskeys, suggestsPasskeys } from "./passkey.js";

export async function startCheck() {
  const list = document.querySelector("[data-passkey-check]");
  if (!list) return;
  const knows = globalThis.PublicKeyCredential ?? {};
  // Some tell nothing of themselves: what is not known stays unknown.
  const found = {
    secure: isSecureContext,
    address: await atPasskeyAddress(),
    webauthn: hasPasskeys,
    platform: Boolean(await knows.isUserVerifyingPlatformAuthenticatorAvailable?.()),
    autofill: await suggestsPasskeys(),
    hybrid: (await knows.getClientCapabilities?.())?.hybridTransport,
    signal: typeof knows.signalUnknownCredential === "function",
  };
  for (const [name, is] of Object.entries(found)) {
    const row = list.querySelector(`[data-check=${name}]`);
    if (is !== undefined) row.dataset.state = is ? "yes" : row.dataset.needed === undefined ? "lacking" : "no";
  }
  list.dataset.known = "";
  const verdict = list.querySelector("[data-state=no]") ? "no" : "yes";
  document.querySelector(`[data-verdict=${verdict}]`).hidden = false;
}
