// The settings area: forms, dialogs, tabs, lists, and one's own passkeys.
import { startAccent } from "./accent.js";
import { call, go } from "./api.js";
import { startApps } from "./apps.js";
import { openDialog, startDialogs } from "./dialog.js";
import { startDurations } from "./duration.js";
import { refresh, startForms } from "./forms.js";
import { startOnlyReads } from "./only_reads.js";
import { startPage } from "./page.js";
import { atPasskeyAddress, hasPasskeys, passkeyProblem, reauthenticate, register } from "./passkey.js";
import { putRows } from "./rows.js";
import { startPickers } from "./picker.js";
import { startSignals } from "./signals.js";
import { startTables } from "./tables.js";
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
    const made = await proven(() => register(button.dataset.hint));
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

// What a list is narrowed to goes into the address, and the list is read anew.
async function narrow(name, values, list) {
  const url = new URL(location.href);
  url.searchParams.delete(name);
  for (const value of [values].flat()) if (value) url.searchParams.append(name, value);
  url.searchParams.delete("page");
  history.replaceState(null, "", url);
  await refresh(list);
}

// What is under way: its part of the page says which parts are read anew until it is over.
function startWatch() {
  let timer;
  const look = (parts, wait) => {
    clearTimeout(timer);
    timer = setTimeout(() => refresh(parts), wait);
  };
  const watch = () => {
    const part = document.querySelector("[data-running]");
    if (part) look(part.dataset.running, 1500);
  };
  document.addEventListener("begun", (event) => look(event.detail, 500));
  document.addEventListener("refreshed", watch);
  watch();
}

// Search while typing, without losing the place; filters at once.
function startSearch() {
  let timer;
  document.addEventListener("change", (event) => {
    const { name, value, dataset } = event.target;
    // One inside of its list needs not name it.
    if (dataset.filter !== undefined) narrow(name, value, dataset.filter || `#${event.target.closest(".table-wrap").id}`);
    // A form that only chooses what is shown: it is read from this page's address with the choice.
    const { form } = event.target;
    if (form?.dataset.reads) refresh(form.dataset.reads, false, `?${new URLSearchParams(new FormData(form))}`);
  });
  document.addEventListener("input", (event) => {
    const input = event.target;
    if (input.dataset.search === undefined) return;
    clearTimeout(timer);
    timer = setTimeout(() => narrow("search", input.value, input.dataset.search), 300);
  });
}

// What is shown once goes into its place, ready to be copied: a secret, or a login code with its link.
function show(place, text) {
  place.dataset.copy = text;
  place.querySelector(".copy-value").textContent = text;
}

// A key has a dialog of its own, and is nowhere once that is closed.
function showKey(dialog, { name, description }, token) {
  dialog.querySelector("[data-part=name]").textContent = name;
  dialog.querySelector("[data-part=description]").textContent = description ?? "";
  const place = dialog.querySelector("[data-copy]");
  show(place, token);
  dialog.addEventListener("close", () => show(place, ""), { once: true });
  dialog.showModal();
}

// A dialog that shows what is stored when it is opened; one that it is opened from makes way.
function startFreshDialogs() {
  document.addEventListener("click", async (event) => {
    const opener = event.target.closest("[data-dialog][data-from]");
    if (!opener) return;
    await refresh(`#${opener.dataset.dialog}`, false, opener.dataset.from);
    opener.closest("dialog")?.close();
    openDialog(opener);
  });
}

function startSecrets() {
  document.addEventListener("saved", (event) => {
    const place = document.getElementById(event.target.dataset.shows ?? "");
    if (!place) return;
    place.hidden = false;
    const { secret, token, link, qrCode, expiresAt, usageLimit, apiKey } = event.detail;
    if (apiKey) {
      event.target.closest("dialog").close();
      showKey(place, apiKey, token);
    } else if (token) {
      const code = place.querySelector("[data-part=code]");
      if (code) show(code, token);
      const uses = place.querySelector("[data-part=uses]");
      if (uses) uses.textContent = usageLimit;
      show(place.querySelector("[data-part=link]"), link);
      place.querySelector("[data-part=qr]").src = `data:image/svg+xml,${encodeURIComponent(qrCode)}`;
      const until = place.querySelector("[data-part=until]");
      until.hidden = !expiresAt;
      until.querySelector("time").dateTime = expiresAt ?? "";
      document.dispatchEvent(new CustomEvent("refreshed"));
    } else {
      show(place.querySelector("[data-copy]"), secret);
    }
    place.querySelector("[data-copy]").focus();
  });
}

// Chosen people move from what a search found to those that are saved, so that the next search keeps them.
function startPicker() {
  document.addEventListener("change", (event) => {
    const from = event.target.closest("[data-candidates]");
    if (!from || !event.target.checked) return;
    event.target.name = event.target.dataset.name;
    event.target.defaultChecked = false;
    const chosen = document.getElementById(from.dataset.candidates);
    chosen.append(event.target.closest(".check"));
    event.target.focus();
  });
  // Whom a search finds again is not offered twice.
  document.addEventListener("refreshed", () => {
    for (const from of document.querySelectorAll("[data-candidates]")) {
      const chosen = document.getElementById(from.dataset.candidates);
      for (const input of from.querySelectorAll("input")) {
        if (chosen.querySelector(`[value="${CSS.escape(input.value)}"]`)) input.closest(".check").remove();
      }
    }
  });
}

// Names that follow from others until they are typed by hand.
function startDerived() {
  document.addEventListener("input", (event) => {
    const { form, name } = event.target;
    if (!form) return;
    if (form.dataset.fullName !== undefined) {
      const { firstName, lastName, displayName } = form.elements;
      if (event.target === displayName) displayName.dataset.typed = "";
      else if (displayName.dataset.typed === undefined && (name === "firstName" || name === "lastName")) {
        displayName.value = `${firstName.value} ${lastName.value}`.trim();
      }
    }
    if (form.dataset.slug !== undefined) {
      const own = form.elements.namedItem("name");
      if (event.target === own) own.dataset.typed = "";
      else if (own.dataset.typed === undefined && name === "friendlyName") {
        own.value = event.target.value.toLowerCase().replace(/[^a-z0-9_]/g, "_");
      }
    }
  });
  document.addEventListener("change", (event) => {
    if (event.target.dataset.chooses !== undefined) {
      for (const part of document.querySelectorAll(`[data-chosen^="${event.target.id}="]`)) {
        part.hidden = part.dataset.chosen !== `${event.target.id}=${event.target.value}`;
        part.disabled = part.hidden;
      }
    }
    const group = document.getElementById(event.target.dataset.enables ?? "");
    if (group) group.disabled = !event.target.checked;
    const other = document.getElementById(event.target.dataset.forces ?? "");
    if (!other) return;
    if (event.target.checked) other.checked = true;
    other.disabled = event.target.checked;
  });
}

// An app that is known here: its address fills in the rest, which can be changed before it is saved.
function startTemplates() {
  const chooser = document.getElementById("new-template");
  if (!chooser) return;
  const address = document.getElementById("new-address");
  const fill = (chosen) => {
    const { template } = chooser.selectedOptions[0].dataset;
    address.closest(".field").hidden = !template;
    if (!template) return;
    const { name, example, callbacks, logouts } = JSON.parse(template);
    address.placeholder = example;
    if (chosen) {
      chooser.form.elements.namedItem("name").value = name;
      address.focus();
    }
    let base = address.value.trim().replace(/\/+$/, "");
    if (base && !base.includes("://")) base = `https://${base}`;
    if (!URL.canParse(base)) return;
    const whole = (path) => (path.startsWith("/") ? base + path : path);
    putRows(document.getElementById("new-callbacks"), callbacks.map(whole));
    putRows(document.getElementById("new-logouts"), logouts.map(whole));
    document.getElementById("new-launch").value = base;
  };
  chooser.addEventListener("change", () => fill(true));
  address.addEventListener("input", () => fill(false));
}

// A new client ends on its page; a confidential one gets its first secret on the way, shown there once.
function startNewClient() {
  document.addEventListener("saved", async (event) => {
    const form = event.target;
    if (form.dataset.newClient === undefined) return;
    const client = event.detail;
    if (!client.isPublic && client.clientType === "standard") {
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
    show(place.querySelector("[data-copy]"), value);
  } catch { /* not allowed: a new secret can be made */ }
}

atPasskeyAddress();
startPage();
startSignals();
startDialogs();
startForms();
startOnlyReads();
startTabs();
startSearch();
startTables(narrow);
startWatch();
startSecrets();
startFreshDialogs();
startPicker();
startPickers();
startDerived();
startAccent();
startDurations();
startApps();
startTemplates();
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
