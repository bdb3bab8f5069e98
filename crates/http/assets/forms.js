// A <form data-api> becomes a JSON call: errors stand beside the fields, a PATCH carries what changed and the version it
// was read at, and the part of the page that changed is read anew.
import { call, go } from "./api.js";
import { confirmed } from "./dialog.js";
import { isLost, remember } from "./focus.js";
import { isDirty, isDirtyInside, showUnsaved, startGuard } from "./guard.js";
import { asRows, filledRows, inWords, inputsOf, member, nested, pairsOf, putRecords, putRows, recordsOf, rememberRows, rowsOf, startListRows, storedRows } from "./rows.js";
import { toast, toastAfter } from "./toast.js";
import { fieldsOf, hasNull, isChanged, original, startOf, valueOf, wordsIn } from "./values.js";
import { word } from "./words.js";

const RULES = {
  username(value) {
    if (!/^[A-Za-z0-9]/.test(value)) return word("username-start");
    if (!/[A-Za-z0-9]$/.test(value)) return word("username-end");
    return /^[A-Za-z0-9_.@-]+$/.test(value) ? "" : word("username-letters");
  },
  minutes(value, input) {
    const least = Number(input.dataset.min ?? 0);
    if (Number(value) < least) return word("lifetime-short");
    if (Number(value) > 525600) return word("lifetime-long");
    return Number.isInteger(Number(value)) ? "" : word("lifetime-whole");
  },
  future: (value) => (startOf(value) > Date.now() ? "" : word("not-future")),
  resource: (value) => (/[\s#]/.test(value) ? word("bad-resource") : ""),
  constant: (_, input) => (hasNull(valueOf(input)) ? word("no-null") : ""),
  once: (value, input) => (earlier(input).some((other) => other.value.trim() === value) ? word("twice") : ""),
};

export function bodyOf(form) {
  const wholly = form.dataset.method !== "PATCH" || form.dataset.whole !== undefined;
  const { records } = form.dataset;
  if (records !== undefined) {
    const list = written(form.querySelector("[data-list]"), recordsOf(form));
    return records ? nested({ [records]: list }) : list;
  }
  const body = {};
  const lists = new Map();
  for (const input of fieldsOf(form)) {
    if (input.closest("[data-pairs]")) continue;
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
    // What does not take part is not sent either.
    if (marker.closest("fieldset:disabled")) continue;
    const name = marker.dataset.list;
    const list = lists.get(name) ?? { values: [], changed: false };
    list.changed ||= marker.dataset.touched !== undefined;
    list.values = marker.dataset.pairs === undefined ? written(marker, list.values) : pairsOf(marker);
    lists.set(name, list);
  }
  for (const [name, list] of lists) {
    if (wholly || list.changed) body[name] = list.values;
  }
  return nested(body);
}

// A list that is one value of the configuration is sent as text.
function written(list, values) {
  return list.dataset.json === undefined ? values : JSON.stringify(values);
}

// The same field of the rows before.
function earlier(input) {
  const same = [...input.closest("[data-list]").querySelectorAll(`[name="${CSS.escape(input.name)}"]`)];
  return same.slice(0, same.indexOf(input));
}

// A row is whole or empty.
function isNeeded(input) {
  return input.required || (input.dataset.needed !== undefined && filledRows(input.closest("[data-list]")).includes(input.closest(".list-row")));
}

function problemOf(input) {
  const value = input.type === "checkbox" ? "x" : input.value.trim();
  if (value === "" && isNeeded(input)) return word("required");
  if (value === "") return "";
  const length = [...value].length;
  if (input.minLength > 0 && length < input.minLength) return word("too-short", { n: input.minLength });
  if (input.maxLength > 0 && length > input.maxLength) return word("too-long", { n: input.maxLength });
  if (input.type === "email" && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value)) return word("bad-email");
  if (input.dataset.type === "url" && !URL.canParse(value)) return word("bad-url");
  if (input.dataset.rule === "minutes") return RULES.minutes(value, input);
  if (input.dataset.min && Number(value) < Number(input.dataset.min)) return word("too-small", { n: input.dataset.min });
  if (input.dataset.max && Number(value) > Number(input.dataset.max)) return word("too-big", { n: input.dataset.max });
  return RULES[input.dataset.rule]?.(value, input) ?? "";
}

// Inputs in rows have no id of their own, but their notes need one.
let unnamed = 0;

// What people see of a field whose value is kept in a hidden one.
function seen(input) {
  return document.getElementById(input.dataset.shownBy ?? "") ?? input;
}

export function mark(field, text) {
  const input = seen(field);
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
    if (text) first ??= seen(input);
  }
  first?.focus();
  return !first;
}

// Finds the input of a refused field: `name`, the n-th of `name[n]`, or that of a record's member, `list[n].name`.
function inputOf(form, field) {
  const record = field.match(/^[\w.]+\[(\d+)\]\.(\w+)$/);
  if (record) return filledRows(form)[Number(record[1])]?.querySelector(`[name="${record[2]}[]"]`);
  const list = field.match(/^(.+)\[(\d+)\]$/);
  if (list) return form.querySelectorAll(`[name="${CSS.escape(list[1])}[]"]`)[Number(list[2])];
  const found = form.elements.namedItem(field);
  return found instanceof RadioNodeList ? found[0] : found;
}

// A value of several parts is refused as a whole; the refusal names the part in quotes, an outer one before an inner one.
function partOf(form, field, message) {
  const lists = [...form.querySelectorAll("[data-list]")].filter(({ dataset: { list } }) => list === field || list.startsWith(`${field}.`));
  let [found] = lists;
  let places = lists;
  for (const [, name] of message.matchAll(/\B'([^']*)'/g)) {
    const inputs = places.flatMap(inputsOf);
    const named = inputs.findLast((input) => input.value.trim() === name || wordsIn(input).includes(name));
    if (!named) break;
    found = named;
    places = [named.closest(".list-row")];
  }
  return found;
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

const turns = new Map();

// Reads parts of this page anew, or as another address has them. With `versions` the other forms go on from the version that a change just made, if
// nobody else came in between: then theirs is one behind.
export async function refresh(selectors = "", versions = false, address = location.href) {
  if (!selectors && !versions) return;
  const turn = {};
  turns.set(selectors, turn);
  let response;
  try {
    response = await fetch(address, { credentials: "same-origin", headers: { accept: "text/html" } });
  } catch {
    document.dispatchEvent(new CustomEvent("unreachable"));
    return;
  }
  // What was asked for later counts, whichever comes first.
  if (turns.get(selectors) !== turn) return;
  if (response.redirected && new URL(response.url).pathname === "/login") return sessionEnded();
  if (!response.ok) return location.reload();
  const back = isLost() ? null : remember(document.activeElement);
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
  dress(fresh);
  showUnsaved();
  document.dispatchEvent(new CustomEvent("refreshed"));
  if (back && isLost()) back();
}

// The colour and the motion of every page are settings, too.
function dress(fresh) {
  document.documentElement.toggleAttribute("data-still", fresh.documentElement.hasAttribute("data-still"));
  const [old, next] = [document, fresh].map((page) => page.querySelector("link[data-accent]"));
  if (old?.getAttribute("href") === next?.getAttribute("href")) return;
  if (!next) return old.remove();
  const link = document.importNode(next);
  link.addEventListener("load", () => old?.remove());
  (old ?? document.querySelector("link[rel=stylesheet]")).after(link);
}

// Somebody else changed it. What only they changed is taken over; where both did, both values are shown and one is chosen.
// The form goes on from the version that is stored now, so what is saved next is what the page shows.
async function conflict(form, error) {
  const { data: read, etag } = await call("GET", form.dataset.read ?? form.dataset.api);
  // The configuration is a list of keys and values.
  const data = Array.isArray(read) ? Object.fromEntries(read.map((entry) => [entry.key, entry.value])) : read;
  form.dataset.version = (etag ?? "").replaceAll('"', "") || error.details.version;
  for (const input of fieldsOf(form)) {
    const known = member(data, input.name);
    const stored = known === undefined ? input.dataset.absent : known;
    if (stored === undefined || input.name.endsWith("[]")) continue;
    const theirs = String(stored ?? "");
    if (theirs === String(original(input))) continue;
    const both = isChanged(input) && theirs !== String(valueOf(input) ?? "");
    rebase(input, theirs);
    if (both) offer(input, wordFor(input, theirs), () => put(input, theirs));
    else put(input, theirs);
  }
  for (const list of form.querySelectorAll("[data-before]")) {
    const theirs = storedRows(list, data);
    const stored = JSON.stringify(theirs);
    if (stored === list.dataset.before) continue;
    const ours = JSON.stringify(rowsOf(list));
    const both = ours !== list.dataset.before && ours !== stored;
    list.dataset.before = stored;
    if (both) {
      list.dataset.touched = "";
      offer(list, inWords(theirs), () => putRows(list, theirs));
    } else {
      putRows(list, theirs);
    }
  }
  if (form.dataset.readList) mergeLists(form, data);
  toast(word("conflict"), "error");
}

// Records: where both changed something, theirs are shown and can be taken. Else sets of boxes. A setting is a list as JSON.
function mergeLists(form, data) {
  const areRecords = form.dataset.records !== undefined;
  const lists = [...form.querySelectorAll(areRecords ? "[data-list]" : "fieldset[data-list]")];
  const names = form.dataset.readList.split(",");
  const saved = lists.map((list, at) => {
    const read = member(data, names[at]);
    return list.dataset.json === undefined ? (read ?? []) : JSON.parse(read || "[]");
  });
  if (areRecords) {
    const [list] = lists;
    const records = asRows(list, saved[0]);
    const stored = JSON.stringify(records);
    if (stored === list.dataset.stored) return;
    const both = JSON.stringify(recordsOf(form)) !== list.dataset.stored;
    list.dataset.stored = stored;
    if (both) offer(list, inWords(records), () => putRecords(list, records));
    else putRecords(list, records);
    return;
  }
  lists.forEach((list, at) => mergeBoxes(list, saved[at]));
}

// A set of boxes, which stand for ids: what only they ticked or unticked is taken over; where both did, both did the same.
function mergeBoxes(list, theirs) {
  const ids = new Set(theirs.map((entry) => entry.id ?? entry));
  // What can't be ticked is saved as it is; what has gone meanwhile is not put back.
  for (const kept of list.querySelectorAll("input[type=hidden][name$='[]']:not([data-unseen])")) {
    if (ids.has(kept.value)) continue;
    const box = list.querySelector(`input[type=checkbox][disabled][value="${CSS.escape(kept.value)}"]`);
    if (box) box.checked = box.defaultChecked = false;
    kept.remove();
  }
  for (const box of list.querySelectorAll("input[type=checkbox][name$='[]']:not([disabled])")) {
    const stored = ids.has(box.value);
    const untouched = box.checked === box.defaultChecked;
    const mine = box.checked;
    box.defaultChecked = stored;
    box.checked = untouched ? stored : mine;
    ids.delete(box.value);
  }
  // Whom the page doesn't show stays nevertheless.
  list.querySelectorAll("[data-unseen]").forEach((input) => input.remove());
  for (const id of ids) {
    if (list.querySelector(`input[type=hidden][value="${CSS.escape(id)}"]`)) continue;
    const input = Object.assign(document.createElement("input"), { type: "hidden", name: `${list.dataset.list}[]`, value: id });
    input.dataset.unseen = "";
    list.append(input);
  }
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

// Whose version a form carries: the same for all forms that save parts of one resource.
function ownerOf(form) {
  return form.dataset.owner ?? form.dataset.read ?? form.dataset.api;
}

// Whom a change would lock out is said first, by name; a change that locks every administrator out is refused anyway.
async function agreed(form, body) {
  const { data } = await call("POST", form.dataset.asks, body);
  if (data.total === 0 || data.locksOutEveryAdmin) return true;
  const items = data.users.map(({ username, displayName, isAdmin }) => {
    const name = displayName && displayName !== username ? `${displayName} (${username})` : username;
    return isAdmin ? `${name}, ${word("administrator")}` : name;
  });
  if (data.total > items.length) items.push(word("and-more", { n: data.total - items.length }));
  return confirmed({ title: word("locked-out"), text: word("locked-out-text", { n: data.total }), label: word("save-anyway"), items });
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
    if (form.dataset.asks && !(await agreed(form, body))) return;
    const { data, etag } = await call(method, form.dataset.api, body, headers);
    if (etag) {
      form.dataset.version = etag.replaceAll('"', "");
      // The other forms of this resource go on from what this one made of the version that they were read at.
      for (const other of document.querySelectorAll("form[data-version]")) {
        if (version && ownerOf(other) === ownerOf(form) && other.dataset.version === version) other.dataset.version = form.dataset.version;
      }
    }
    // What was made is not what the next one begins with.
    if (method === "POST") form.dataset.sent = "";
    else settle(form);
    if (form.dataset.clears !== undefined) for (const input of fieldsOf(form)) input.value = input.defaultValue = "";
    showUnsaved();
    form.dispatchEvent(new CustomEvent("saved", { bubbles: true, detail: data }));
    if (form.dataset.stay === undefined) form.closest("dialog")?.close();
    const next = data?.redirectUrl ?? form.dataset.then?.replace("{id}", encodeURIComponent(data?.id ?? ""));
    if (next) {
      if (form.dataset.toast) toastAfter(form.dataset.toast);
      return go(next);
    }
    if (form.dataset.toast) toast(form.dataset.toast);
    await refresh(form.dataset.refresh, form.dataset.refreshVersions !== undefined);
  } catch (error) {
    if (error.status === 412) return await conflict(form, error);
    if (error.code === "reauthentication_required") return proveFirst(() => submit(form));
    if (isEnded(error)) return await sessionEnded();
    let first = markRefused(form, error);
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

// What was refused is said beside its fields; the first of them is given the focus.
function markRefused(form, error) {
  let first = null;
  for (const { field, message } of error.fields) {
    const input = inputOf(form, field) ?? partOf(form, field, message);
    if (!input) continue;
    mark(input, message.charAt(0).toUpperCase() + message.slice(1));
    first ??= seen(input);
  }
  first?.focus();
  return first;
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

function isEnded(error) {
  return error.code === "not_signed_in" && document.body.dataset.user !== undefined;
}

// The session ended while the page was open. Who typed something signs in beside it, and then saves.
async function sessionEnded() {
  const there = `/login?redirect=${encodeURIComponent(location.pathname + location.search)}`;
  const typed = isDirtyInside(document);
  const goes = await confirmed({
    title: word("session-ended"),
    text: typed ? word("session-ended-typed") : word("session-ended-text"),
    label: word("sign-in"),
    danger: false,
  });
  if (!goes) return;
  if (typed) open(there, "_blank", "noopener");
  else go(there + encodeURIComponent(location.hash));
}

// A button at work keeps the focus, unlike a disabled one.
function turn(button, on) {
  if (on) button.setAttribute("aria-disabled", "true");
  else button.removeAttribute("aria-disabled");
  button.classList.toggle("is-busy", on);
}

// What a button does may need what its form says: then that is saved first. Answers whether to go on.
async function saved(button) {
  const form = document.getElementById(button.dataset.saves ?? "");
  if (!form || !isDirty(form)) return true;
  const { savesTitle: title, savesText: text, savesLabel: label } = button.dataset;
  if (!(await confirmed({ title, text, label, danger: false }))) return false;
  await submit(form);
  return !isDirty(form);
}

async function press(button) {
  if (button.ariaDisabled === "true") return;
  const back = remember(button);
  if (!(await saved(button))) return isLost() && back();
  if (button.dataset.confirm) {
    const yes = await confirmed({
      title: button.dataset.confirm,
      text: button.dataset.confirmText ?? "",
      label: button.dataset.confirmLabel ?? button.textContent.trim(),
      danger: button.dataset.method === "DELETE" || button.dataset.danger !== undefined,
      typed: button.dataset.confirmTyped,
    });
    if (!yes) return isLost() && back();
  }
  if (!button.dataset.api) {
    if (button.dataset.then) go(button.dataset.then);
    return;
  }
  // A button may try out what its form says, before it is saved.
  const form = button.dataset.withForm === undefined ? null : button.form;
  if (form && !check(form)) return toast(word("fix-fields"), "error");
  turn(button, true);
  if (button.dataset.watches) document.dispatchEvent(new CustomEvent("begun", { detail: button.dataset.watches }));
  try {
    const body = form ? bodyOf(form) : button.dataset.body && JSON.parse(button.dataset.body);
    const method = button.dataset.method ?? "POST";
    const headers = method === "PATCH" ? { "content-type": "application/merge-patch+json" } : {};
    if (button.dataset.version) headers["if-match"] = `"${button.dataset.version}"`;
    const { data } = await call(method, button.dataset.api, body, headers);
    button.dispatchEvent(new CustomEvent("done", { bubbles: true, detail: data }));
    if (button.dataset.then) {
      if (button.dataset.toast) toastAfter(button.dataset.toast);
      return go(button.dataset.then.replace("{id}", encodeURIComponent(data?.id ?? "")));
    }
    if (button.dataset.reload !== undefined) {
      if (button.dataset.toast) toastAfter(button.dataset.toast);
      return location.reload();
    }
    if (button.dataset.toast) toast(button.dataset.toast);
    await refresh(button.dataset.refresh, button.dataset.refreshVersions !== undefined);
    if (isLost()) back();
  } catch (error) {
    if (error.code === "reauthentication_required") proveFirst(() => press(withoutQuestion(button)));
    else if (isEnded(error)) await sessionEnded();
    else {
      if (form) markRefused(form, error);
      toast(error.message, "error");
    }
    if (button.dataset.refreshAlways !== undefined) await refresh(button.dataset.refresh);
  } finally {
    turn(button, false);
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
    // Its button is hidden there, and Enter in a field that can be read presses it.
    if (form.dataset.api && document.body.dataset.onlyReads !== undefined) return;
    if (form.getAttribute("aria-busy") !== "true") submit(form);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button && (button.dataset.api || (button.dataset.confirm && button.type === "button"))) press(button);
  });
  document.addEventListener("input", (event) => {
    if (event.target.getAttribute?.("aria-invalid")) mark(event.target, "");
  });
  startGuard();
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
      await refresh(input.dataset.refresh, input.dataset.refreshVersions !== undefined);
    } catch (error) {
      if (isEnded(error)) await sessionEnded();
      else toast(error.message, "error");
    }
    input.value = "";
  });
}
