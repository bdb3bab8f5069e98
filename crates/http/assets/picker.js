// A combobox that adds to a set of check boxes what the API finds (WAI-ARIA combobox pattern, list autocomplete): for sets of which
// there is too much to show all.
import { call } from "./api.js";
import { showUnsaved } from "./guard.js";
import { word } from "./words.js";

const SHOWN = 10;

function optionsOf(picker) {
  return [...picker.querySelectorAll("[role=option]:not([aria-disabled])")];
}

function openList(picker, open) {
  picker.querySelector("[role=listbox]").hidden = !open;
  const input = picker.querySelector("[role=combobox]");
  input.setAttribute("aria-expanded", String(open));
  if (!open) input.removeAttribute("aria-activedescendant");
}

function markOption(picker, option) {
  for (const other of optionsOf(picker)) other.setAttribute("aria-selected", String(other === option));
  picker.querySelector("[role=combobox]").setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

function optionFor(picker, entry, at) {
  const { text, more } = picker.dataset;
  const option = document.createElement("li");
  option.id = `${picker.querySelector("[role=combobox]").id}-${at}`;
  option.setAttribute("role", "option");
  option.setAttribute("aria-selected", "false");
  option.dataset.id = entry.id;
  option.append(Object.assign(document.createElement("strong"), { textContent: entry[text] }));
  if (more) option.append(" ", Object.assign(document.createElement("span"), { className: "hint", textContent: entry[more] ?? "" }));
  return option;
}

async function look(picker) {
  const input = picker.querySelector("[role=combobox]");
  const asked = input.value.trim();
  const { source } = picker.dataset;
  const query = new URLSearchParams({ search: asked, "pagination[limit]": SHOWN, "sort[column]": picker.dataset.text, "sort[direction]": "asc" });
  try {
    const { data } = await call("GET", `${source}${source.includes("?") ? "&" : "?"}${query}`);
    // What was typed later counts.
    if (input.value.trim() !== asked || document.activeElement !== input) return;
    const chosen = new Set([...boxesOf(picker)].filter((box) => box.checked).map((box) => box.value));
    const found = data.data.filter((entry) => !chosen.has(entry.id)).map((entry, at) => optionFor(picker, entry, at));
    if (!found.length) {
      const none = Object.assign(document.createElement("li"), { className: "hint", textContent: word("none-found") });
      none.setAttribute("role", "option");
      none.setAttribute("aria-disabled", "true");
      found.push(none);
    }
    picker.querySelector("[role=listbox]").replaceChildren(...found);
    openList(picker, true);
  } catch (error) {
    picker.querySelector("[data-picked]").textContent = error.message;
  }
}

function boxesOf(picker) {
  return document.getElementById(picker.dataset.picker).querySelectorAll("input[type=checkbox]");
}

// The box is there already, unticked, or is made.
function pick(picker, option) {
  const set = document.getElementById(picker.dataset.picker);
  const { id } = option.dataset;
  const [name, more] = [...option.children].map((part) => part.textContent);
  let box = [...boxesOf(picker)].find((one) => one.value === id);
  if (!box) {
    const row = document.createElement("div");
    row.className = "check";
    box = Object.assign(document.createElement("input"), { type: "checkbox", id: `${picker.dataset.picker}-${id}`, name: picker.dataset.name, value: id });
    const label = Object.assign(document.createElement("label"), { htmlFor: box.id, textContent: name });
    row.append(box, label);
    if (more) row.append(" ", Object.assign(document.createElement("span"), { className: "hint", textContent: more }));
    set.append(row);
  }
  box.checked = true;
  const input = picker.querySelector("[role=combobox]");
  input.value = "";
  openList(picker, false);
  picker.querySelector("[data-picked]").textContent = word("picked", { name });
  showUnsaved();
}

function pickerKeys(event) {
  const picker = event.target.closest?.("[data-picker]");
  if (!picker || event.target.getAttribute("role") !== "combobox") return;
  const options = optionsOf(picker);
  const isOpen = event.target.ariaExpanded === "true";
  const at = options.findIndex((option) => option.id === event.target.getAttribute("aria-activedescendant"));
  if (event.key === "Enter") {
    // It never sends the form.
    event.preventDefault();
    if (isOpen && options.length) pick(picker, options[Math.max(at, 0)]);
  } else if (event.key === "Escape" && isOpen) {
    event.preventDefault();
    openList(picker, false);
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (!isOpen) return look(picker);
    const to = event.key === "ArrowDown" ? at + 1 : at < 0 ? options.length - 1 : at - 1;
    if (options.length) markOption(picker, options[(to + options.length) % options.length]);
  }
}

export function startPickers() {
  let timer;
  // Before the dialog around it takes Escape.
  document.addEventListener("keydown", pickerKeys, true);
  document.addEventListener("input", (event) => {
    const picker = event.target.closest("[data-picker]");
    if (!picker) return;
    clearTimeout(timer);
    timer = setTimeout(() => look(picker), 200);
  });
  // The focus stays in the field while the mouse chooses.
  document.addEventListener("mousedown", (event) => {
    if (event.target.closest("[data-picker] [role=listbox]")) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    const option = event.target.closest("[data-picker] [role=option]:not([aria-disabled])");
    if (option) pick(option.closest("[data-picker]"), option);
    else if (event.target.matches("[data-picker] [role=combobox]")) look(event.target.closest("[data-picker]"));
  });
  document.addEventListener("focusout", (event) => {
    const picker = event.target.closest("[data-picker]");
    if (picker) openList(picker, false);
  });
}
