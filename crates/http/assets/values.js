// The value of an input: as it is sent, as it was read, and as it is filled in.

export function fieldsOf(form) {
  return [...form.elements].filter((e) => e.name && !e.matches(":disabled") && e.type !== "submit" && e.type !== "button");
}

// A day begins at midnight where the reader is.
export function startOf(day) {
  return new Date(`${day}T00:00`);
}

// The value of a field: switches are booleans, an empty `data-null` field is null.
export function valueOf(input) {
  if (input.dataset.string !== undefined && input.type === "checkbox") return String(input.checked);
  if (input.type === "checkbox") return input.checked;
  if (input.dataset.days !== undefined) {
    return input.value ? new Date(Date.now() + Number(input.value) * 86400000).toISOString() : null;
  }
  if (input.type === "date") return input.value ? startOf(input.value).toISOString() : null;
  if (input.dataset.type === "number") return input.value.trim() === "" ? 0 : Number(input.value);
  if (input.dataset.type === "words") return wordsIn(input);
  const text = input.type === "password" ? input.value : input.value.trim();
  if (input.dataset.type === "json") return jsonOr(text);
  return text === "" && input.dataset.null !== undefined ? null : text;
}

// Several words in one field, separated by commas.
export function wordsIn(input) {
  return input.value.split(",").map((part) => part.trim()).filter(Boolean);
}

// JSON, or else the text itself; so is a number of which a script would lose digits.
function jsonOr(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "number" && (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) ? text : value;
  } catch {
    return text;
  }
}

// What a field shows for a value, so that `valueOf` gives it back.
function shownAs(input, value) {
  if (input.dataset.type !== "json") return Array.isArray(value) ? value.join(", ") : String(value ?? "");
  const isPlain = typeof value === "string" && value.trim() === value && value !== "" && jsonOr(value) === value;
  return isPlain ? value : JSON.stringify(value);
}

export function fill(input, value) {
  if (input.type === "checkbox") input.defaultChecked = value === true;
  else input.defaultValue = shownAs(input, value);
}

export function original(input) {
  if (input.type === "checkbox") return input.defaultChecked;
  if (input instanceof HTMLSelectElement) return [...input.options].find((o) => o.defaultSelected)?.value ?? input.options[0]?.value;
  return input.defaultValue;
}

export function isChanged(input) {
  return (input.type === "checkbox" ? input.checked : input.value) !== original(input);
}

// A null that a merge patch (RFC 7396) would take for the wish to remove something.
export function hasNull(value) {
  return value === null || (typeof value === "object" && !Array.isArray(value) && Object.values(value).some(hasNull));
}
