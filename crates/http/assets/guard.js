// Nothing that was typed is lost without a question: leaving the page asks (here), closing a dialog asks (dialog.js), and the
// tab of a page that holds something unsaved says so.
import { fieldsOf, isChanged } from "./values.js";
import { word } from "./words.js";

// Whether a form with `data-guard` holds something that is not saved. One in a dialog counts while it is open.
export function isDirty(form) {
  if (form.dataset.guard === undefined || form.dataset.sent !== undefined || form.closest("dialog:not([open])")) return false;
  return fieldsOf(form).some((i) => isChanged(i) || i.dataset.added !== undefined) || form.querySelector("[data-touched]") !== null;
}

export function isDirtyInside(place) {
  return [...place.querySelectorAll("form[data-guard]")].some(isDirty);
}

export function showUnsaved() {
  for (const tab of document.querySelectorAll("[role=tab][data-tab]")) {
    const dirty = isDirtyInside(document.getElementById(tab.getAttribute("aria-controls")));
    tab.classList.toggle("is-unsaved", dirty);
    tab.ariaDescription = dirty ? word("unsaved") : null;
  }
}

export function startGuard() {
  addEventListener("beforeunload", (event) => {
    if (isDirtyInside(document)) event.preventDefault();
  });
  for (const kind of ["input", "change"]) {
    document.addEventListener(kind, (event) => {
      const { form } = event.target;
      if (!form) return;
      delete form.dataset.sent;
      showUnsaved();
    });
  }
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-add-row], [data-remove-row]")) queueMicrotask(showUnsaved);
  });
}
