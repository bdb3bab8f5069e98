// Where the focus goes when what had it is read anew, or is gone: to the same control, else to the one in its place.

const CONTROLS = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";

function usable(element) {
  return element !== null && element.checkVisibility() && !element.matches(":disabled");
}

function controlsOf(place) {
  return [...place.querySelectorAll(CONTROLS)].filter(usable);
}

// What names a control, and no other, also on a page that is read anew.
function namesOf(element) {
  const names = element.id ? [`#${CSS.escape(element.id)}`] : [];
  for (const attributes of [["popovertarget"], ["data-api", "data-method"], ["data-dialog", "data-fill-api"], ["href"], ["name", "value"], ["aria-label", "aria-describedby"]]) {
    if (!attributes.every((name) => element.hasAttribute(name))) continue;
    names.push(element.localName + attributes.map((name) => `[${name}="${CSS.escape(element.getAttribute(name))}"]`).join(""));
  }
  return names.filter((name) => document.querySelectorAll(name).length === 1);
}

// Remembers a control; the answer puts the focus back. An item of a menu that has closed stands for the menu's button.
export function remember(element) {
  const menu = element.closest("[popover]:not(:popover-open)");
  const control = (menu && document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`)) ?? element;
  const names = namesOf(control);
  const row = control.closest("li, tr, .list-row, article");
  const place = row ? [...row.parentElement.children].indexOf(row) : 0;
  const inRow = row ? controlsOf(row).indexOf(control) : 0;
  const around = [];
  for (let outer = control.parentElement?.closest("[id]"); outer; outer = outer.parentElement?.closest("[id]")) around.push(outer.id);
  const rowName = row?.localName;
  return () => {
    for (const name of names) {
      const found = document.querySelector(name);
      if (usable(found)) return found.focus();
    }
    for (const id of around) {
      const home = document.getElementById(id);
      if (!home?.checkVisibility()) continue;
      const rows = rowName ? [...home.querySelectorAll(rowName)].filter((one) => !one.closest("thead") && controlsOf(one).length) : [];
      const near = rows[Math.min(place, rows.length - 1)];
      const found = near ? controlsOf(near)[Math.max(inRow, 0)] ?? controlsOf(near).at(-1) : controlsOf(home)[0];
      if (found) return found.focus();
    }
    document.getElementById("main")?.focus();
  };
}

// Whether nothing has the focus: what had it is gone.
export function isLost() {
  return document.activeElement === null || document.activeElement === document.body;
}
