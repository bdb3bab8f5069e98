// Dialogs: opening, filling, closing, and questions before what can't be undone.
import { word } from "./words.js";

export function openDialog(button) {
  const dialog = document.getElementById(button.dataset.dialog);
  if (!dialog) return;
  const form = dialog.querySelector("form");
  dialog.querySelectorAll("[data-result]").forEach((result) => { result.hidden = true; });
  if (form) {
    form.reset();
    // What an earlier use left: added rows, names typed by hand, a switch held by another.
    form.querySelectorAll(".list-row:has([data-added])").forEach((row) => row.remove());
    form.querySelectorAll("[data-typed]").forEach((input) => delete input.dataset.typed);
    for (const input of form.querySelectorAll("[data-forces]")) {
      document.getElementById(input.dataset.forces).disabled = input.checked;
    }
    form.querySelectorAll("[aria-invalid]").forEach((input) => input.removeAttribute("aria-invalid"));
    form.querySelectorAll(".field-error").forEach((note) => note.remove());
    for (const [key, value] of Object.entries(button.dataset)) {
      if (key === "fillApi") form.dataset.api = value;
      else if (key.startsWith("fill")) {
        const name = key[4].toLowerCase() + key.slice(5);
        const input = form.elements.namedItem(name);
        if (input) { input.value = value; input.defaultValue = value; }
      }
    }
  }
  dialog.showModal();
  const first = dialog.querySelector("input:not([type=hidden]), select, textarea");
  first?.focus();
  first?.select?.();
}

// Asks; answers true if the person agrees. `typed` asks for a text to be typed first.
export function confirmed({ title, text, label, danger = true, typed }) {
  return new Promise((resolve) => {
    const dialog = document.createElement("dialog");
    dialog.setAttribute("role", "alertdialog");
    dialog.setAttribute("aria-labelledby", "confirm-title");
    dialog.setAttribute("aria-describedby", "confirm-text");
    const heading = document.createElement("h2");
    heading.id = "confirm-title";
    heading.textContent = title;
    const line = document.createElement("p");
    line.id = "confirm-text";
    line.className = "dialog-text";
    line.textContent = text;
    const foot = document.createElement("div");
    foot.className = "dialog-foot";
    const no = document.createElement("button");
    no.type = "button";
    no.className = "btn btn-secondary";
    no.textContent = word("cancel");
    const yes = document.createElement("button");
    yes.type = "button";
    yes.className = danger ? "btn btn-danger" : "btn btn-primary";
    yes.textContent = label;
    dialog.append(heading, line);
    if (typed) {
      const input = document.createElement("input");
      input.setAttribute("aria-label", typed);
      input.placeholder = typed;
      input.autocomplete = "off";
      yes.disabled = true;
      input.addEventListener("input", () => { yes.disabled = input.value.trim() !== typed; });
      dialog.append(input);
    }
    foot.append(no, yes);
    dialog.append(foot);
    document.body.append(dialog);
    let answer = false;
    no.addEventListener("click", () => dialog.close());
    yes.addEventListener("click", () => { answer = true; dialog.close(); });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("close", () => { dialog.remove(); resolve(answer); });
    dialog.showModal();
    (dialog.querySelector("input") ?? no).focus();
  });
}

export function startDialogs() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    // One with `data-from` is read first.
    if (opener && opener.dataset.from === undefined) openDialog(opener);
    if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
    if (event.target instanceof HTMLDialogElement && event.target.open) event.target.close();
  });
}
