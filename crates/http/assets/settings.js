// The settings area: forms, dialogs, tabs, lists, and one's own passkeys.
import { call, go } from "./api.js";
import { openDialog, startDialogs } from "./dialog.js";
import { refresh, startForms } from "./forms.js";
import { startPage } from "./page.js";
import { atPasskeyAddress, hasPasskeys, passkeyProblem, reauthenticate, register } from "./passkey.js";
import { startTabs } from "./tabs.js";
import { toast } from "./toast.js";
import { word } from "./words.js";

// Work that needs a fresh proof: prove, then do it again.
async function proven(work) {
  try {
    return await work();
  } catch (error) {
    if (error.code !== "reauthentication_required" || !hasPasskeys) throw error;
    await reauthenticate();
    return await work();
  }
}

async function addPasskey(button) {
  if (!hasPasskeys) return toast(word("passkey-missing"), "error");
  button.disabled = true;
  try {
    const made = await proven(register);
    toast(word("saved-passkey"));
    await refresh("#passkey-list,#passkey-banner");
    const rename = document.querySelector(`[data-fill-api$="/${CSS.escape(made.id)}"]`);
    if (rename) openDialog(rename);
  } catch (error) {
    toast(passkeyProblem(error), "error");
  } finally {
    button.disabled = false;
  }
}

// Search while typing, without losing the place.
function startSearch() {
  let timer;
  document.addEventListener("input", (event) => {
    const input = event.target;
    if (input.dataset.search === undefined) return;
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const url = new URL(location.href);
      if (input.value) url.searchParams.set("search", input.value);
      else url.searchParams.delete("search");
      url.searchParams.delete("page");
      history.replaceState(null, "", url);
      await refresh(input.dataset.search);
    }, 300);
  });
}

// A secret is shown once: into its place, ready to be copied.
function startSecrets() {
  document.addEventListener("done", (event) => {
    const place = document.getElementById(event.target.dataset.shows ?? "");
    if (!place || !event.detail) return;
    const value = event.detail.secret ?? (event.detail.token && event.target.dataset.prefix ? event.target.dataset.prefix + event.detail.token : event.detail.token);
    if (!value) return;
    place.hidden = false;
    const copy = place.querySelector("[data-copy]");
    copy.dataset.copy = value;
    copy.querySelector(".copy-value").textContent = value;
    const code = place.querySelector("[data-code]");
    if (code) code.textContent = event.detail.token;
    copy.focus();
  });
}

// A new client ends on its page; a confidential one gets its first secret on the way, shown there once.
function startNewClient() {
  document.addEventListener("saved", async (event) => {
    const form = event.target;
    if (form.dataset.newClient === undefined) return;
    const client = event.detail;
    if (!client.isPublic) {
      try {
        const { data } = await call("POST", `/api/oidc/clients/${encodeURIComponent(client.id)}/secrets`);
        sessionStorage.setItem(`secret-${client.id}`, data.secret);
      } catch (error) {
        toast(error.message, "error");
      }
    }
    go(`/settings/admin/oidc-clients/${encodeURIComponent(client.id)}`);
  });
  const place = document.querySelector("[data-new-secret]");
  if (!place) return;
  try {
    const value = sessionStorage.getItem(`secret-${place.dataset.newSecret}`);
    sessionStorage.removeItem(`secret-${place.dataset.newSecret}`);
    if (!value) return;
    place.hidden = false;
    const copy = place.querySelector("[data-copy]");
    copy.dataset.copy = value;
    copy.querySelector(".copy-value").textContent = value;
  } catch { /* not allowed: a new secret can be made */ }
}

atPasskeyAddress();
startPage();
startDialogs();
startForms();
startTabs();
startSearch();
startSecrets();
startNewClient();
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-register]");
  if (button) addPasskey(button);
});
document.addEventListener("reauthenticate", async (event) => {
  try {
    await reauthenticate();
    event.detail();
  } catch (error) {
    toast(passkeyProblem(error), "error");
  }
});
