// A <form data-api> becomes a JSON call: errors stand beside the fields, a PATCH carries what changed and the version it
// was read at, and the part of the page that changed is read anew.
import { call, go } from "./api.js";
import { confirmed } from "./dialog.js";
import { toast, toastAfter } from "./toast.js";
import { word } from "./words.js";

const RULES = {
  username(value) {
    if (!/^[A-Za-z0-9]/.test(value)) return word("username-start");
    if (!/[A-Za-z0-9]$/.test(value)) return word("username-end");
    return /^[A-Za-z0-9_.@-]+$/.test(value) ? "" : word("username-letters");
  },
  future: (value) => (startOf(value) > Date.now() ? "" : word("not-future")),
  resource: (value) => (/[\s#]/.test(value) ? word("bad-resource") : ""),
};

function fieldsOf(form) {
  return [...form.elements].filter((e) => e.name && !e.matches(":disabled") && e.type !== "submit" && e.type !== "button");
}

// A day begins at midnight where the reader is.
function startOf(day) {
  return new Date(`${day}T00:00`);
}

// The value of a field: switches are booleans, lists are arrays, an empty `data-null` field is null.
function valueOf(input) {
  if (input.dataset.string !== undefined && input.type === "checkbox") return String(input.checked);
  if (input.type === "checkbox") return input.checked;
  if (input.dataset.days !== undefined) {
    return input.value ? new Date(Date.now() + Number(input.value) * 86400000).toISOString() : null;
  }
  if (input.type === "date") return input.value ? startOf(input.value).toISOString() : null;
  if (input.dataset.type === "number") return input.value.trim() === "" ? 0 : Number(input.value);
  const text = input.type === "password" ? input.value : input.value.trim();
  return text === "" && input.dataset.null !== undefined ? null : text;
}

function original(input) {
  if (input.type === "checkbox") return input.defaultChecked;
  if (input instanceof HTMLSelectElement) return [...input.options].find((o) => o.defaultSelected)?.value ?? input.options[0]?.value;
  return input.defaultValue;
}

function isChanged(input) {
  return (input.type === "checkbox" ? input.checked : input.value) !== original(input);
}

export function bodyOf(form) {
  const wholly = form.dataset.method !== "PATCH" || form.dataset.whole !== undefined;
  const { records } = form.dataset;
  if (records !== undefined) return records ? { [records]: recordsOf(form) } : recordsOf(form);
  const body = {};
  const lists = new Map();
  for (const input of fieldsOf(form)) {
    if (input.name.endsWith("[]")) {
      const name = input.name.slice(0, -2);
      const list = lists.get(name) ?? { values: [], changed: false };
      if (input.type === "checkbox" || input.type === "radio") {
        if (input.checked) list.values.push(input.value);
      } else if (input.value.trim() !== "") {
        list.values.push(input.value.trim());
      }
      list.changed ||= isChanged(input) || input.dataset.added !== undefined;
      lists.set(name, list);
    } else if (wholly || isChanged(input)) {
      body[input.name] = valueOf(input);
    }
  }
  for (const marker of form.querySelectorAll("[data-list]")) {
    const name = marker.dataset.list;
    const list = lists.get(name) ?? { values: [], changed: false };
    list.changed ||= marker.dataset.touched !== undefined;
    lists.set(name, list);
  }
  for (const [name, list] of lists) {
    if (wholly || list.changed) body[name] = list.values;
  }
  return body;
}

// A list of records, a row each with an input per member; a row left empty is no record.
function recordRows(form) {
  return [...form.querySelectorAll(".list-row")].filter((row) => inputsOf(row).some((input) => input.value.trim() !== ""));
}

function inputsOf(row) {
  return [...row.querySelectorAll("input")];
}

function memberOf(input) {
  return input.name.slice(0, -2);
}

function recordsOf(form) {
  return recordRows(form).map((row) => Object.fromEntries(inputsOf(row).map((input) => [memberOf(input), valueOf(input)])));
}

// The members of stored records that the rows have, too.
function asRows(list, records) {
  const members = inputsOf(list.querySelector("template").content).map(memberOf);
  return records.map((record) => Object.fromEntries(members.map((member) => [member, record[member] ?? null])));
}

function problemOf(input) {
  const value = input.type === "checkbox" ? "x" : input.value.trim();
  if (input.required && value === "") return word("required");
  if (value === "") return "";
  const length = [...value].length;
  if (input.minLength > 0 && length < input.minLength) return word("too-short", { n: input.minLength });
  if (input.maxLength > 0 && length > input.maxLength) return word("too-long", { n: input.maxLength });
  if (input.type === "email" && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value)) return word("bad-email");
  if (input.dataset.type === "url" && !URL.canParse(value)) return word("bad-url");
  if (input.dataset.min && Number(value) < Number(input.dataset.min)) return word("too-small", { n: input.dataset.min });
  if (input.dataset.max && Number(value) > Number(input.dataset.max)) return word("too-big", { n: input.dataset.max });
  return RULES[input.dataset.rule]?.(value) ?? "";
}

// Inputs in rows have no id of their own, but their notes need one.
let unnamed = 0;

export function mark(input, text) {
  const holder = input.closest(".field, .switch, .list-row") ?? input.parentElement;
  input.id ||= `input-${++unnamed}`;
  const id = `${input.id}-error`;
  document.getElementById(id)?.remove();
  const described = (input.getAttribute("aria-describedby") ?? "").split(" ").filter((d) => d && d !== id);
  if (text) {
    const note = document.createElement("p");
    note.className = "field-error";
    note.id = id;
    note.setAttribute("role", "alert");
    // One of several in a row says which it is.
    const several = holder.matches(".list-row") && inputsOf(holder).length > 1;
    note.textContent = several ? `${input.getAttribute("aria-label")}: ${text}` : text;
    holder.append(note);
    input.setAttribute("aria-invalid", "true");
    described.push(id);
  } else {
    input.removeAttribute("aria-invalid");
  }
  if (described.length) input.setAttribute("aria-describedby", described.join(" "));
  else input.removeAttribute("aria-describedby");
}

function check(form) {
  let first = null;
  form.querySelectorAll("[data-list][aria-invalid]").forEach((list) => mark(list, ""));
  for (const input of fieldsOf(form)) {
    const text = problemOf(input);
    mark(input, text);
    if (text) first ??= input;
  }
  first?.focus();
  return !first;
}

// Finds the input of a refused field: `name`, the n-th of `name[n]`, or that of a record's member, `list[n].name`.
function inputOf(form, field) {
  const record = field.match(/^\w+\[(\d+)\]\.(\w+)$/);
  if (record) return recordRows(form)[Number(record[1])]?.querySelector(`[name="${record[2]}[]"]`);
  const list = field.match(/^(.+)\[(\d+)\]$/);
  if (list) return form.querySelectorAll(`[name="${CSS.escape(list[1])}[]"]`)[Number(list[2])];
  const found = form.elements.namedItem(field);
  return found instanceof RadioNodeList ? found[0] : found;
}

function showProblem(form, text) {
  const place = form.closest("dialog, main")?.querySelector("[data-problem]");
  if (place && form.closest(".auth-card")) place.textContent = text;
  else toast(text, "error");
}

export function busy(form, on) {
  form.setAttribute("aria-busy", String(on));
  // Not `disabled`, which would lose the focus.
  form.querySelectorAll("button[type=submit], button[data-main]").forEach((b) => {
    b.setAttribute("aria-disabled", String(on));
    b.classList.toggle("is-busy", on);
  });
}

// Reads parts of this page anew, or as another address has them. With `versions` the other forms go on from the version that a change just made, if
// nobody else came in between: then theirs is one behind.
export async function refresh(selectors = "", versions = false, address = location.href) {
  if (!selectors && !versions) return;
  const response = await fetch(address, { credentials: "same-origin", headers: { accept: "text/html" } });
  if (!response.ok) return location.reload();
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const form of versions ? document.querySelectorAll("form[id][data-version]") : []) {
    const stored = fresh.getElementById(form.id)?.dataset.version;
    if (Number(stored) === Number(form.dataset.version) + 1) form.dataset.version = stored;
  }
  for (const selector of selectors.split(",").filter(Boolean)) {
    const old = document.querySelector(selector.trim());
    const next = fresh.querySelector(selector.trim());
    if (old && next) old.replaceWith(document.importNode(next, true));
  }
  document.dispatchEvent(new CustomEvent("refreshed"));
}

// Somebody else changed it. What only they changed is taken over; where both did, both values are shown and one is chosen.
// The form goes on from the version that is stored now, so what is saved next is what the page shows.
async function conflict(form, error) {
  const { data: read, etag } = await call("GET", form.dataset.read ?? form.dataset.api);
  // The configuration is a list of keys and values.
  const data = Array.isArray(read) ? Object.fromEntries(read.map((entry) => [entry.key, entry.value])) : read;
  form.dataset.version = (etag ?? "").replaceAll('"', "") || error.details.version;
  for (const input of fieldsOf(form)) {
    if (!(input.name in data) || input.name.endsWith("[]")) continue;
    const theirs = String(data[input.name] ?? "");
    if (theirs === String(original(input))) continue;
    const both = isChanged(input) && theirs !== String(valueOf(input) ?? "");
    rebase(input, theirs);
    if (both) offer(input, wordFor(input, theirs), () => put(input, theirs));
    else put(input, theirs);
  }
  for (const list of form.querySelectorAll("[data-before]")) {
    const theirs = data[list.dataset.list];
    const stored = JSON.stringify(theirs);
    if (!Array.isArray(theirs) || stored === list.dataset.before) continue;
    const ours = JSON.stringify(rowsOf(list));
    const both = ours !== list.dataset.before && ours !== stored;
    list.dataset.before = stored;
    if (both) {
      list.dataset.touched = "";
      offer(list, theirs.join(", ") || word("empty"), () => putRows(list, theirs));
    } else {
      putRows(list, theirs);
    }
  }
  if (form.dataset.readList) mergeList(form, data[form.dataset.readList] ?? []);
  toast(word("conflict"), "error");
}

// A set of boxes: what only they ticked or unticked is taken over; where both did, both did the same. Records: where both
// changed something, theirs are shown and can be taken.
function mergeList(form, theirs) {
  if (form.dataset.records !== undefined) {
    const list = form.querySelector("[data-list]");
    const records = asRows(list, theirs);
    const stored = JSON.stringify(records);
    if (stored === list.dataset.stored) return;
    const both = JSON.stringify(recordsOf(form)) !== list.dataset.stored;
    list.dataset.stored = stored;
    const shown = records.map((record) => Object.values(record).filter(Boolean).join(" = ")).join(", ");
    if (both) offer(list, shown || word("empty"), () => putRecords(list, records));
    else putRecords(list, records);
    return;
  }
  const ids = new Set(theirs.map((entry) => entry.id));
  const boxes = [...form.querySelectorAll("input[type=checkbox][name$='[]']")];
  for (const box of boxes) {
    const stored = ids.has(box.value);
    const untouched = box.checked === box.defaultChecked;
    const mine = box.checked;
    box.defaultChecked = stored;
    box.checked = untouched ? stored : mine;
    ids.delete(box.value);
  }
  // Whom the page doesn't show stays nevertheless.
  const list = form.querySelector("[data-list]");
  list.querySelectorAll("[data-unseen]").forEach((input) => input.remove());
  for (const id of ids) {
    if (list.querySelector(`input[type=hidden][value="${CSS.escape(id)}"]`)) continue;
    const input = Object.assign(document.createElement("input"), { type: "hidden", name: `${list.dataset.list}[]`, value: id });
    input.dataset.unseen = "";
    list.append(input);
  }
}

function putRecords(list, records) {
  list.querySelectorAll(".list-row").forEach((row) => row.remove());
  for (const record of records) {
    const row = list.querySelector("template").content.firstElementChild.cloneNode(true);
    for (const input of inputsOf(row)) input.defaultValue = record[memberOf(input)] ?? "";
    list.append(row);
  }
  delete list.dataset.touched;
}

// Shows the stored value beside a field, with a button that takes it.
function offer(target, theirs, take) {
  mark(target, word("theirs", { value: theirs }));
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn btn-sm";
  button.textContent = word("use-theirs");
  button.addEventListener("click", () => {
    take();
    mark(target, "");
    (target.matches("input, select") ? target : target.parentElement.querySelector("input, button"))?.focus();
  });
  (target.closest(".field, .switch") ?? target.parentElement).querySelector(":scope > .field-error")?.append(" ", button);
}

function wordFor(input, value) {
  if (input.type === "checkbox") return value === "true" ? word("on") : word("off");
  return [...(input.options ?? [])].find((o) => o.value === value)?.text ?? (value || word("empty"));
}

// The field now differs from, or equals, what is stored; what it shows stays.
function rebase(input, stored) {
  if (input.type === "checkbox") {
    const on = input.checked;
    input.defaultChecked = stored === "true";
    input.checked = on;
    return;
  }
  const shown = input.value;
  if (input instanceof HTMLSelectElement) {
    const options = [...input.options];
    if (!options.some((o) => o.value === stored)) options.push(input.appendChild(new Option(stored, stored)));
    for (const option of options) option.defaultSelected = option.value === stored;
  } else {
    input.defaultValue = stored;
  }
  input.value = shown;
}

function put(input, value) {
  if (input.type === "checkbox") input.checked = value === "true";
  else input.value = value;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

function rowsOf(list) {
  return [...list.querySelectorAll(".list-row > input")].map((input) => input.value.trim()).filter(Boolean);
}

export function putRows(list, values) {
  list.querySelectorAll(".list-row").forEach((row) => row.remove());
  for (const value of values) {
    const row = list.querySelector("template").content.firstElementChild.cloneNode(true);
    row.querySelector("input").defaultValue = value;
    list.append(row);
  }
  delete list.dataset.touched;
}

// Remembers the rows of a form's lists as they are stored: a removed row leaves no trace in the page.
function rememberRows(form) {
  if (form.dataset.records !== undefined) {
    form.querySelector("[data-list]").dataset.stored = JSON.stringify(recordsOf(form));
    return;
  }
  for (const list of form.querySelectorAll("[data-list]:has(> template)")) list.dataset.before = JSON.stringify(rowsOf(list));
}

export async function submit(form) {
  const place = form.closest("main, dialog")?.querySelector("[data-problem]");
  if (place) place.textContent = "";
  if (!check(form)) {
    if (!form.closest(".auth-card")) toast(word("fix-fields"), "error");
    return;
  }
  const method = form.dataset.method ?? "POST";
  const body = bodyOf(form);
  const headers = {};
  if (method === "PATCH") headers["content-type"] = "application/merge-patch+json";
  if (form.dataset.version) headers["if-match"] = `"${form.dataset.version}"`;
  busy(form, true);
  try {
    const { version } = form.dataset;
    const { data, etag } = await call(method, form.dataset.api, body, headers);
    if (etag) {
      form.dataset.version = etag.replaceAll('"', "");
      // The other forms of this resource go on from what this one made of the version that they were read at.
      for (const other of document.querySelectorAll("form[data-version]")) {
        if (version && other.dataset.version === version) other.dataset.version = form.dataset.version;
      }
    }
    // What was made is not what the next one begins with.
    if (method !== "POST") settle(form);
    form.dispatchEvent(new CustomEvent("saved", { bubbles: true, detail: data }));
    if (form.dataset.stay === undefined) form.closest("dialog")?.close();
    const next = data?.redirectUrl ?? form.dataset.then?.replace("{id}", encodeURIComponent(data?.id ?? ""));
    if (next) {
      if (form.dataset.toast) toastAfter(form.dataset.toast);
      return go(next);
    }
    if (form.dataset.reload !== undefined) {
      if (form.dataset.toast) toastAfter(form.dataset.toast);
      return location.reload();
    }
    if (form.dataset.toast) toast(form.dataset.toast);
    await refresh(form.dataset.refresh, form.dataset.refreshVersions !== undefined);
  } catch (error) {
    if (error.status === 412) return await conflict(form, error);
    if (error.code === "reauthentication_required") return proveFirst(() => submit(form));
    let first = null;
    for (const { field, message } of error.fields) {
      const input = inputOf(form, field);
      if (!input) continue;
      mark(input, message.charAt(0).toUpperCase() + message.slice(1));
      first ??= input;
    }
    if (first) first.focus();
    if (error.code === "already_in_use") {
      const input = inputOf(form, error.details.property);
      if (input) { mark(input, error.message); input.focus(); first = input; }
    }
    if (!first || error.fields.length === 0) showProblem(form, error.message);
    else if (!form.closest(".auth-card")) toast(word("fix-fields"), "error");
  } finally {
    busy(form, false);
  }
}

// What is saved is what the form starts from now.
function settle(form) {
  for (const input of fieldsOf(form)) {
    if (input.type === "checkbox" || input.type === "radio") input.defaultChecked = input.checked;
    else if (input instanceof HTMLSelectElement) [...input.options].forEach((o) => { o.defaultSelected = o.selected; });
    else input.defaultValue = input.value;
    delete input.dataset.added;
  }
  form.querySelectorAll("[data-touched]").forEach((m) => delete m.dataset.touched);
  rememberRows(form);
}

function isDirty(form) {
  return fieldsOf(form).some((i) => isChanged(i) || i.dataset.added !== undefined) || form.querySelector("[data-touched]") !== null;
}

async function press(button) {
  if (button.dataset.confirm) {
    const yes = await confirmed({
      title: button.dataset.confirm,
      text: button.dataset.confirmText ?? "",
      label: button.dataset.confirmLabel ?? button.textContent.trim(),
      danger: button.dataset.method === "DELETE" || button.dataset.danger !== undefined,
      typed: button.dataset.confirmTyped,
    });
    if (!yes) return;
  }
  if (!button.dataset.api) {
    if (button.dataset.then) go(button.dataset.then);
    return;
  }
  button.disabled = true;
  try {
    const body = button.dataset.body ? JSON.parse(button.dataset.body) : undefined;
    const method = button.dataset.method ?? "POST";
    const headers = method === "PATCH" ? { "content-type": "application/merge-patch+json" } : {};
    const { data } = await call(method, button.dataset.api, body, headers);
    button.dispatchEvent(new CustomEvent("done", { bubbles: true, detail: data }));
    if (button.dataset.then) {
      if (button.dataset.toast) toastAfter(button.dataset.toast);
      return go(button.dataset.then);
    }
    if (button.dataset.toast) toast(button.dataset.toast);
    await refresh(button.dataset.refresh, button.dataset.refreshVersions !== undefined);
  } catch (error) {
    if (error.code === "reauthentication_required") proveFirst(() => press(withoutQuestion(button)));
    else toast(error.message, "error");
  } finally {
    button.disabled = false;
  }
}

// Asks for the passkey, then does it again.
function proveFirst(again) {
  document.dispatchEvent(new CustomEvent("reauthenticate", { detail: again }));
}

function withoutQuestion(button) {
  const again = button.cloneNode(true);
  delete again.dataset.confirm;
  return again;
}

// The words for fields are ours; a browser's own stand in only where there are no scripts.
function takeOver() {
  for (const form of document.querySelectorAll("form[data-method]")) {
    form.noValidate = true;
    if (form.dataset.version && !form.querySelector("[data-before], [data-stored]")) rememberRows(form);
  }
}

export function startForms() {
  takeOver();
  document.addEventListener("refreshed", takeOver);
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || form.dataset.method === undefined) return;
    event.preventDefault();
    if (form.getAttribute("aria-busy") !== "true") submit(form);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button && (button.dataset.api || (button.dataset.confirm && button.type === "button"))) press(button);
  });
  document.addEventListener("input", (event) => {
    if (event.target.getAttribute?.("aria-invalid")) mark(event.target, "");
  });
  addEventListener("beforeunload", (event) => {
    if ([...document.querySelectorAll("form[data-guard]")].some(isDirty)) event.preventDefault();
  });
  startFileInputs();
  startListRows();
}

// A chosen file is sent at once.
function startFileInputs() {
  document.addEventListener("change", async (event) => {
    const input = event.target;
    if (input.type !== "file" || !input.dataset.upload || !input.files.length) return;
    const form = new FormData();
    form.append("file", input.files[0]);
    try {
      await call(input.dataset.method ?? "POST", input.dataset.upload, form);
      toast(input.dataset.toast ?? "");
      await refresh(input.dataset.refresh);
    } catch (error) {
      toast(error.message, "error");
    }
    input.value = "";
  });
}

// Lists of text fields: add a row from the template, remove a row.
function startListRows() {
  document.addEventListener("click", (event) => {
    const add = event.target.closest("[data-add-row]");
    if (add) {
      const list = document.getElementById(add.dataset.addRow);
      const row = list.querySelector("template").content.firstElementChild.cloneNode(true);
      row.querySelectorAll("input").forEach((i) => { i.dataset.added = ""; });
      list.append(row);
      row.querySelector("input")?.focus();
      list.dataset.touched = "";
    }
    const remove = event.target.closest("[data-remove-row]");
    if (remove) {
      const list = remove.closest("[data-list]");
      const next = remove.closest(".list-row").nextElementSibling?.querySelector("input");
      remove.closest(".list-row").remove();
      list.dataset.touched = "";
      (next ?? document.querySelector(`[data-add-row="${list.id}"]`))?.focus();
    }
  });
}
