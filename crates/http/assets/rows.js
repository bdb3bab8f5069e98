// Lists of rows: texts, pairs of a name and a value (`data-pairs`), or, in a form with `data-records`, records.
import { fill, valueOf } from "./values.js";
import { word } from "./words.js";

export function inputsOf(row) {
  return [...row.querySelectorAll("input")];
}

function memberOf(input) {
  return input.name.slice(0, -2);
}

// The rows in which somebody wrote something.
export function filledRows(place) {
  return [...place.querySelectorAll(".list-row")].filter((row) => inputsOf(row).some((input) => input.value.trim() !== ""));
}

export function recordsOf(form) {
  return filledRows(form).map((row) => Object.fromEntries(inputsOf(row).map((input) => [memberOf(input), valueOf(input)])));
}

// The members of stored records that the rows have, too.
export function asRows(list, records) {
  const inputs = inputsOf(list.querySelector("template").content);
  return records.map((record) => Object.fromEntries(inputs.map((input) => [memberOf(input), record[memberOf(input)] ?? valueOf(input)])));
}

// What a list holds, so that two can be compared: texts, or pairs by name.
export function rowsOf(list) {
  if (list.dataset.pairs !== undefined) return inOrder(filledRows(list).map((row) => inputsOf(row).map(valueOf)));
  return [...list.querySelectorAll(".list-row > input")].map((input) => input.value.trim()).filter(Boolean);
}

// The same of what is stored.
export function storedRows(list, data) {
  const value = member(data, list.dataset.list);
  if (list.dataset.pairs !== undefined) return inOrder(Object.entries(value ?? {}));
  return list.dataset.json === undefined ? (value ?? []) : JSON.parse(value || "[]");
}

function inOrder(pairs) {
  return pairs.sort(([a], [b]) => (a < b ? -1 : 1));
}

// A list in words.
export function inWords(rows) {
  const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  const row = (value) => (value !== null && typeof value === "object" ? Object.values(value).filter((part) => part !== "" && part !== null).map(text).join(" = ") : value);
  return rows.map(row).join(", ") || word("empty");
}

// Pairs as a merge patch (RFC 7396) has them: what was there and is there no more is null.
export function pairsOf(list) {
  return patch(Object.fromEntries(JSON.parse(list.dataset.before)), Object.fromEntries(rowsOf(list)));
}

function patch(before, after) {
  const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  if (!isObject(before) || !isObject(after)) return after;
  const gone = Object.keys(before).filter((name) => !Object.hasOwn(after, name)).map((name) => [name, null]);
  return Object.fromEntries([...gone, ...Object.entries(after).map(([name, value]) => [name, patch(before[name], value)])]);
}

// A member by its path, `a.b`.
export function member(data, path) {
  return path.split(".").reduce((value, name) => value?.[name], data);
}

// Members by their paths become objects in objects.
export function nested(body) {
  const whole = {};
  for (const [path, value] of Object.entries(body)) {
    const names = path.split(".");
    const last = names.pop();
    names.reduce((inner, name) => (inner[name] ??= {}), whole)[last] = value;
  }
  return whole;
}

let made = 0;

// A row from the template; what has an id there gets one of its own.
export function newRow(list) {
  const row = list.querySelector("template").content.firstElementChild.cloneNode(true);
  made += 1;
  for (const name of ["id", "for", "aria-describedby"]) {
    for (const element of row.querySelectorAll(`[${name}]`)) element.setAttribute(name, `${element.getAttribute(name)}-${made}`);
  }
  list.append(row);
  count(list);
  return row;
}

// Rows may bear their number.
function count(list) {
  list.querySelectorAll("[data-number]").forEach((place, at) => { place.textContent = at + 1; });
}

function clear(list) {
  list.querySelectorAll(".list-row").forEach((row) => row.remove());
  delete list.dataset.touched;
}

export function putRecords(list, records) {
  clear(list);
  for (const record of records) {
    for (const input of inputsOf(newRow(list))) fill(input, record[memberOf(input)]);
  }
}

export function putRows(list, rows) {
  clear(list);
  for (const row of rows) {
    const values = [row].flat();
    inputsOf(newRow(list)).forEach((input, at) => fill(input, values[at]));
  }
}

// Remembers the rows of a form's lists as they are stored: a removed row leaves no trace in the page.
export function rememberRows(form) {
  if (form.dataset.records !== undefined) {
    form.querySelector("[data-list]").dataset.stored = JSON.stringify(recordsOf(form));
    return;
  }
  for (const list of form.querySelectorAll("[data-list]:has(> template)")) list.dataset.before = JSON.stringify(rowsOf(list));
}

// Add a row from the template, remove a row.
export function startListRows() {
  document.addEventListener("click", (event) => {
    const add = event.target.closest("[data-add-row]");
    if (add) {
      const list = document.getElementById(add.dataset.addRow);
      const inputs = inputsOf(newRow(list));
      inputs.forEach((input) => { input.dataset.added = ""; });
      inputs[0]?.focus();
      list.dataset.touched = "";
    }
    const remove = event.target.closest("[data-remove-row]");
    if (remove) {
      const list = remove.closest("[data-list]");
      const next = remove.closest(".list-row").nextElementSibling?.querySelector("input");
      remove.closest(".list-row").remove();
      list.dataset.touched = "";
      count(list);
      (next ?? document.querySelector(`[data-add-row="${list.id}"]`))?.focus();
    }
  });
}
