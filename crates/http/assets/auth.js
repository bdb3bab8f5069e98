// Signing in: by passkey, by code, and the steps of an interaction.
import { call, go } from "./api.js";
import { startDialogs } from "./dialog.js";
import { busy, startForms } from "./forms.js";
import { startPage } from "./page.js";
import { hasPasskeys, passkeyProblem, reauthenticate, register, signIn, signInByAutofill } from "./passkey.js";
import { word } from "./words.js";

function problem(text) {
  const place = document.querySelector("[data-problem]");
  if (place) place.textContent = text;
  document.querySelector("[data-tile]")?.setAttribute("data-state", text ? "error" : "");
}

function succeeded() {
  document.querySelector("[data-tile]")?.setAttribute("data-state", "success");
}

async function attempt(form, work) {
  problem("");
  busy(form, true);
  try {
    const next = await work();
    succeeded();
    if (next) go(next);
    else busy(form, false);
  } catch (error) {
    busy(form, false);
    const values = { error: passkeyProblem(error).replace(/\.$/, "") };
    problem(form.dataset.signin === undefined ? word("please-try-again", values) : word("please-sign-in-again", values));
    const label = form.querySelector("[data-main] [data-label]");
    if (label) label.textContent = word("try-again");
    form.querySelector("[data-main]")?.focus();
  }
}

function startSignIn(form) {
  const next = form.dataset.next;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(form, async () => {
      await signIn();
      return next;
    });
  });
  const field = form.querySelector("#username");
  let asked = false;
  field?.addEventListener("focus", async () => {
    if (asked) return;
    asked = true;
    try {
      if (await signInByAutofill()) {
        succeeded();
        go(next);
      }
    } catch (error) {
      asked = false;
      if (error.name !== "AbortError") problem(word("please-try-again", { error: passkeyProblem(error) }));
    }
  });
  if (hasPasskeys && !PublicKeyCredential.isConditionalMediationAvailable) form.querySelector("[data-autofill]")?.remove();
}

function startAddPasskey(form) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(form, async () => {
      await register();
      return form.dataset.addPasskey;
    });
  });
}

function startCode(form) {
  const input = form.elements.code;
  const button = form.querySelector("[data-main]");
  const ready = () => { button.disabled = input.value.replace(/[\s-]/g, "").length < 6; };
  input.addEventListener("input", ready);
  ready();
  const interaction = new URL(form.dataset.next, location.origin).searchParams.get("interaction");
  const send = () => attempt(form, async () => {
    const code = encodeURIComponent(input.value.replace(/[\s-]/g, ""));
    const suffix = interaction ? `?interaction=${encodeURIComponent(interaction)}` : "";
    await call("POST", `/api/one-time-access-token/${code}${suffix}`);
    return form.dataset.next;
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  if (form.dataset.auto !== undefined) send();
}

// Completes the steps that need nothing more from the person, then goes on or shows what is left.
async function complete(id, step) {
  const { data } = await call("POST", `/api/oidc/interactions/${encodeURIComponent(id)}/complete`, { step });
  return data.redirectUrl ?? location.href;
}

function startInteraction(form) {
  const { interaction: id, step } = form.dataset;
  const signedOut = form.dataset.signedOut !== undefined;
  const go1 = () => attempt(form, async () => {
    if (signedOut) {
      await signIn(id);
      return await complete(id, "authenticate");
    }
    if (step === "reauthenticate") {
      // A sign-in inside this interaction is proof enough; otherwise the passkey is asked.
      try {
        return await complete(id, step);
      } catch (error) {
        if (error.status !== 400 && error.status !== 401) throw error;
      }
      await reauthenticate();
    }
    return await complete(id, step);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go1();
  });
  form.querySelector("[data-other-account]")?.addEventListener("click", async () => {
    await call("POST", "/api/webauthn/logout");
    location.reload();
  });
  if (!signedOut && step === "authenticate") go1();
}

function withoutPasskeys() {
  const form = document.querySelector("[data-signin], [data-interaction][data-signed-out], [data-add-passkey]");
  if (!form || hasPasskeys || document.querySelector("[data-passkey-problem]")) return;
  problem(word("passkey-missing"));
  const button = form.querySelector("[data-main]");
  button.disabled = true;
  form.querySelector("[data-autofill]")?.remove();
  document.querySelector(".auth-foot a")?.focus();
}

startPage();
startDialogs();
startForms();
for (const form of document.forms) {
  if (form.dataset.signin !== undefined) startSignIn(form);
  if (form.dataset.addPasskey !== undefined) startAddPasskey(form);
  if (form.dataset.codeForm !== undefined) startCode(form);
  if (form.dataset.interaction !== undefined) startInteraction(form);
}
withoutPasskeys();
