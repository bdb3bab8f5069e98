// Signing in: by passkey, by code, and the steps of an interaction.
import { call, go } from "./api.js";
import { startCheck } from "./check.js";
import { startDialogs } from "./dialog.js";
import { busy, startForms } from "./forms.js";
import { startPage } from "./page.js";
import { atPasskeyAddress, hasPasskeys, passkeyProblem, reauthenticate, register, signIn, signInByAutofill, suggestsPasskeys } from "./passkey.js";
import { word } from "./words.js";

const tile = document.querySelector("[data-tile]");

function problem(text) {
  const place = document.querySelector("[data-problem]");
  if (place) place.textContent = text;
  if (tile) tile.dataset.state = text ? "error" : "";
}

// For who does not see the button turn.
function say(text) {
  const place = document.querySelector("[data-status]");
  if (place) place.textContent = text;
}

function fail(form, error) {
  // The session ended behind the page: it begins anew with signing in.
  if (error.code === "not_signed_in") return location.reload();
  const values = { error: passkeyProblem(error).replace(/\.$/, "") };
  problem(form.dataset.signin === undefined ? word("please-try-again", values) : word("please-sign-in-again", values));
}

// Works under a busy button, then goes where the work says.
async function attempt(form, work) {
  problem("");
  busy(form, true);
  if (form.dataset.needsPasskey !== undefined) say(word("waiting"));
  try {
    const next = await work();
    if (tile) tile.dataset.state = "success";
    if (next) go(next);
  } catch (error) {
    busy(form, false);
    say("");
    fail(form, error);
    const label = form.querySelector("[data-main] [data-label]");
    if (label) label.textContent = word("try-again");
    (form.elements.code ?? form.elements.number ?? form.querySelector("[data-main]"))?.focus();
  }
}

function onSubmit(form, work) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (form.getAttribute("aria-busy") !== "true") attempt(form, work);
  });
}

function startSignIn(form) {
  const { next } = form.dataset;
  onSubmit(form, async () => {
    await signIn();
    return next;
  });
  startAutofill(form, next);
}

async function startAutofill(form, next) {
  const place = form.querySelector("[data-autofill]");
  if (!(await suggestsPasskeys())) return place.remove();
  const field = place.querySelector("input");
  let waits = false;
  const wait = async () => {
    if (waits) return;
    waits = true;
    try {
      await signInByAutofill();
      problem("");
      busy(form, true);
      if (tile) tile.dataset.state = "success";
      go(next);
    } catch (error) {
      // Ended by the button, or nothing was picked: there is nothing to say.
      if (error.name !== "AbortError" && error.name !== "NotAllowedError") fail(form, error);
    }
    waits = false;
  };
  field.addEventListener("focus", wait);
  if (document.activeElement === field) wait();
}

function startAddPasskey(form) {
  onSubmit(form, async () => {
    await register();
    return form.dataset.addPasskey;
  });
}

function startCode(form) {
  const input = form.elements.code;
  const button = form.querySelector("[data-main]");
  const code = () => input.value.replace(/[\s-]/g, "");
  const ready = () => { button.disabled = code().length < 6; };
  input.addEventListener("input", ready);
  ready();
  const interaction = new URL(form.dataset.next, location.origin).searchParams.get("interaction");
  const send = async () => {
    const inside = interaction ? `?interaction=${encodeURIComponent(interaction)}` : "";
    await call("POST", `/api/one-time-access-token/${encodeURIComponent(code())}${inside}`);
    return form.dataset.next;
  };
  onSubmit(form, send);
  if (input.defaultValue === "") return;
  // A code that came in a link is not left in the history.
  const url = new URL(location.href);
  url.searchParams.delete("code");
  history.replaceState(null, "", url);
  if (form.dataset.auto !== undefined) attempt(form, send);
}

// Completes a step and, when a fresh proof is the next one, that too: it needs no other click. A sign-in by passkey inside
// this interaction is proof enough.
async function complete(url, step, proven) {
  if (step === "reauthenticate" && !proven) await reauthenticate();
  const { data } = await call("POST", url, { step });
  const owed = data.interaction?.currentStep;
  return owed === "reauthenticate" && step !== owed ? complete(url, owed, proven) : data;
}

function startInteraction(form) {
  const { interaction: id, step } = form.dataset;
  const signedOut = form.dataset.signedOut !== undefined;
  const url = `/api/oidc/interactions/${encodeURIComponent(id)}/complete`;
  onSubmit(form, async () => {
    if (signedOut) {
      await signIn(id);
      // What is consented to has to be seen first.
      if (step === "consent") return location.href;
    }
    const data = await complete(url, step, signedOut || form.dataset.proven !== undefined);
    return data.redirectUrl ?? location.href;
  });
  form.querySelector("[data-other-account]")?.addEventListener("click", async () => {
    try {
      await call("POST", "/api/webauthn/logout");
    } catch (error) {
      if (error.status !== 401) return fail(form, error);
    }
    location.reload();
  });
  // Who has just signed in by a code need not say so again.
  if (!signedOut && step === "authenticate") form.requestSubmit();
}

// A device's code: the form itself asks for it; who is not signed in does that first.
function startDeviceEntry(form) {
  if (form.dataset.signedOut === undefined) return;
  onSubmit(form, async () => {
    await signIn();
    return `/device?user_code=${encodeURIComponent(form.elements.user_code.value)}`;
  });
}

// What a device wants: allowed by a click, never without one.
function startDevice(form) {
  const decide = async (what) => {
    await call("POST", `/api/oidc/device/${what}?code=${encodeURIComponent(form.dataset.device)}`);
    form.hidden = true;
    document.querySelector("[data-lead]").hidden = true;
    const done = document.querySelector(`[data-done=${what}]`);
    done.hidden = false;
    done.focus();
  };
  onSubmit(form, async () => {
    if (form.dataset.needsPasskey !== undefined) await reauthenticate();
    await decide("verify");
  });
  form.querySelector("[data-deny]").addEventListener("click", () => {
    if (form.getAttribute("aria-busy") !== "true") attempt(form, () => decide("deny"));
  });
}

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

// Asks until it is decided, through what passes by itself: a lost network, a busy or restarting server.
async function decided(url, interval, minutes) {
  const end = Date.now() + minutes * 60000;
  for (;;) {
    const asked = Date.now();
    try {
      if ((await call("POST", url)).data) return;
    } catch (error) {
      if (![0, 408, 425, 429, 502, 503, 504].includes(error.status) || asked > end) throw error;
    }
    await pause(Math.max(0, asked + interval * 1000 - Date.now()));
  }
}

// Signing in with another device: this one shows a code and a number, and waits.
function startDeviceWait(form) {
  const main = form.querySelector("[data-main]");
  const label = main.querySelector("[data-label]");
  const shown = form.querySelector("[data-request]");
  const waiting = label.textContent;
  const interaction = new URL(form.dataset.next, location.origin).searchParams.get("interaction");
  const inside = interaction ? `?interaction=${encodeURIComponent(interaction)}` : "";
  const begin = async () => {
    problem("");
    delete form.dataset.over;
    say(word("device-login-begins"));
    main.disabled = true;
    main.classList.add("is-waiting");
    label.textContent = waiting;
    try {
      const { data } = await call("POST", "/api/device-login/requests");
      const code = shown.querySelector("[data-copy]");
      code.dataset.copy = data.userCode;
      code.querySelector(".copy-value").textContent = `${data.userCode.slice(0, 4)} - ${data.userCode.slice(4)}`;
      shown.querySelector("[data-qr]").src = `data:image/svg+xml,${encodeURIComponent(data.qrCode)}`;
      shown.querySelector("[data-number]").textContent = data.number;
      shown.hidden = false;
      say("");
      await decided(`/api/device-login/requests/${data.id}/exchange${inside}`, data.interval, 5);
      if (tile) tile.dataset.state = "success";
      go(form.dataset.next);
    } catch (error) {
      shown.hidden = true;
      form.dataset.over = "";
      say("");
      problem(error.code === "device_login_expired" ? word("device-login-expired") : word("please-try-again", { error: error.message.replace(/\.$/, "") }));
      main.classList.remove("is-waiting");
      main.disabled = false;
      label.textContent = word("try-again");
      main.focus();
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    begin();
  });
  begin();
}

// Who waits is let in by the number that stands there, which only a person who sees it knows.
function startDeviceLogin(form) {
  const { number } = form.elements;
  const main = form.querySelector("[data-main]");
  const ready = () => { main.disabled = !/^\d\d$/.test(number.value.trim()); };
  number.addEventListener("input", ready);
  ready();
  let { proven } = form.dataset;
  const prove = async () => {
    if (proven === undefined) return reauthenticate();
    proven = undefined;
    return call("POST", "/api/webauthn/reauthenticate").catch(reauthenticate);
  };
  const decide = async (decision) => {
    try {
      const sent = decision === "approve" ? { number: Number(number.value) } : {};
      await call("POST", "/api/device-login/verification/decision", { code: form.dataset.deviceLogin, decision, ...sent });
    } catch (error) {
      if (["device_login_expired", "device_login_denied"].includes(error.code)) {
        form.hidden = true;
        document.querySelector("[data-over]").hidden = false;
      }
      throw error;
    }
    form.hidden = true;
    document.querySelector("[data-lead]").hidden = true;
    const done = document.querySelector(`[data-done=${decision}]`);
    done.hidden = false;
    done.focus();
  };
  onSubmit(form, async () => {
    await prove();
    await decide("approve");
  });
  form.querySelector("[data-deny]").addEventListener("click", () => {
    if (form.getAttribute("aria-busy") !== "true") attempt(form, () => decide("deny"));
  });
}

// Where passkeys can't work nobody is left to find that out by pressing the button: another way stands in its place.
async function startWithoutPasskeys() {
  const rightAddress = await atPasskeyAddress();
  const form = document.querySelector("[data-needs-passkey]");
  if (!form || (hasPasskeys && rightAddress)) return;
  if (rightAddress) problem(word("passkey-missing"));
  document.querySelector("[data-check-link]")?.removeAttribute("hidden");
  // What the page asks for can't be done here.
  if (form.dataset.signin !== undefined) document.querySelector("[data-lead]").hidden = true;
  form.querySelector("[data-autofill]")?.remove();
  const button = form.querySelector("[data-main]");
  button.disabled = true;
  const ways = [...form.querySelectorAll("[data-other-way]")];
  if (!ways.length) return;
  button.hidden = true;
  ways.forEach((way) => { way.hidden = false; });
  (document.querySelector("[data-passkeys-at]:not([hidden]) [data-go-there]") ?? ways.at(-1)).focus();
}

startPage();
startDialogs();
startForms();
startWithoutPasskeys();
startCheck();
// Shown again by the back button it would still be busy.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
for (const form of document.forms) {
  if (form.dataset.signin !== undefined) startSignIn(form);
  if (form.dataset.addPasskey !== undefined) startAddPasskey(form);
  if (form.dataset.codeForm !== undefined) startCode(form);
  if (form.dataset.interaction !== undefined) startInteraction(form);
  if (form.dataset.deviceEntry !== undefined) startDeviceEntry(form);
  if (form.dataset.device !== undefined) startDevice(form);
  if (form.dataset.deviceWait !== undefined) startDeviceWait(form);
  if (form.dataset.deviceLogin !== undefined) startDeviceLogin(form);
}
