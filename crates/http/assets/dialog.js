// Dialogs: opening, filling, closing, and questions before what can't be undone.
import { isDirtyInside } from "./guard.js";
import { word } from "./words.js";

export function openDialog(button) {
  const dialog = document.getElementById(button.dataset.dialog);
  if (!dialog) return;
  const form = dialog.querySelector("form");
  dialog.querySelectorAll("[data-result]").forEach((result) => { result.hidden = true; });
  if (form) {
    form.reset();
    delete form.dataset.sent;
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

// Asks; answers true if the person agrees. `items` are listed, `typed` asks for a text to be typed first.
export function confirmed({ title, text, label, items = [], danger = true, typed }) {
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
    if (items.length) {
      const list = document.createElement("ul");
      list.className = "dialog-list";
      list.tabIndex = 0;
      list.setAttribute("aria-labelledby", "confirm-text");
      list.append(...items.map((item) => Object.assign(document.createElement("li"), { textContent: item })));
      dialog.append(list);
    }
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

// Closes a dialog; what was typed there and is not saved is asked about first.
async function leave(dialog) {
  if (isDirtyInside(dialog)) {
    const gives = await confirmed({ title: word("discard-title"), text: word("discard-text"), label: word("discard") });
    if (!gives) return;
  }
  dialog.close();
}

export function startDialogs() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    // One with `data-from` is read first.
    if (opener && opener.dataset.from === undefined) openDialog(opener);
    const closed = event.target.closest("[data-close]")?.closest("dialog");
    if (closed) leave(closed);
    if (event.target instanceof HTMLDialogElement && event.target.open && !event.target.matches("[role=alertdialog]")) leave(event.target);
  });
  // The key itself is taken: of two `cancel` events in a row the second can't be refused.
  document.addEventListener("keydown", (event) => {
    const dialog = event.key === "Escape" && event.target.closest?.("dialog[open]");
    if (!dialog || event.defaultPrevented || dialog.querySelector(":popover-open") || !isDirtyInside(dialog)) return;
    event.preventDefault();
    leave(dialog);
  });
  document.addEventListener("cancel", (event) => {
    if (!(event.target instanceof HTMLDialogElement) || !isDirtyInside(event.target)) return;
    event.preventDefault();
    leave(event.target);
  }, true);
}
