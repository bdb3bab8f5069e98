// A page on which who looks can change nothing, and what a file declares on others: values can be read, found and copied. What
// sends something is hidden by the style sheet; the API refuses it anyway.
export function startOnlyReads() {
  const { onlyReads, declared } = document.body.dataset;
  if (onlyReads === undefined && declared === undefined) return;
  lock();
  document.addEventListener("refreshed", lock);
}

function lock() {
  const { onlyReads, declared = "", declaredSettings = "" } = document.body.dataset;
  const addresses = declared.split(" ").filter(Boolean);
  const isDeclared = (api) => addresses.some((one) => one === api || (one.endsWith("/") && api.startsWith(one)));
  for (const sender of document.querySelectorAll("main [data-api]")) {
    const refused = isDeclared(sender.dataset.api);
    if (refused) sender.dataset.locked = "";
    if (sender instanceof HTMLFormElement && (refused || onlyReads !== undefined)) [...sender.elements].forEach(lockInput);
  }
  for (const key of declaredSettings.split(" ").filter(Boolean)) lockSetting(key);
}

function lockInput(input) {
  if (input.matches("select, [type=checkbox], [type=radio], [type=file]")) input.disabled = true;
  else if (input.matches("input, textarea")) input.readOnly = true;
}

function lockSetting(key) {
  const named = `[name="${key}"], [name^="${key}["], [data-list="${key}"], [data-records="${key}"]`;
  for (const found of document.querySelectorAll(`form[data-api="/api/application-configuration"] :is(${named})`)) {
    const place = found.closest(".field, .switch, fieldset, [role=radiogroup]") ?? found;
    if (place.dataset.locked !== undefined) continue;
    place.dataset.locked = "";
    // A list in it is not sent then.
    if (place instanceof HTMLFieldSetElement) place.disabled = true;
    [found, ...place.querySelectorAll("input, select, textarea, button")].forEach(lockInput);
    const sign = document.querySelector(".declared svg")?.cloneNode(true);
    if (sign) place.querySelector("label, legend, .label")?.append(" ", sign);
  }
}
