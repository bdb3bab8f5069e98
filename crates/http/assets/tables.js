// The tools of a table: which values are shown (several of a column), and which columns. Both menus stay open.
import { refresh } from "./forms.js";
import { word } from "./words.js";

// What is chosen stands in the button, up to two by name.
function showChips(box) {
  const chosen = [...box.querySelectorAll("[role=option][aria-selected=true]")];
  box.querySelector("[data-facet-clear]").hidden = chosen.length === 0;
  const texts = chosen.length > 2 ? [word("count", { n: chosen.length })] : chosen.map((option) => option.textContent.trim());
  const chips = texts.map((text) => Object.assign(document.createElement("span"), { className: "badge", textContent: text }));
  document.querySelector(`[popovertarget="${CSS.escape(box.id)}"] [data-chips]`).replaceChildren(...chips);
  return chosen.map((option) => option.dataset.value);
}

// A year long, in this browser.
function keepColumns(menu) {
  const shown = [...menu.querySelectorAll("[aria-checked=true]")].map((item) => item.dataset.column);
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `columns-${menu.dataset.table}=${shown.join(".")}; path=/settings; max-age=31536000; samesite=lax${secure}`;
}

export function startTables(narrow) {
  document.addEventListener("click", (event) => {
    const option = event.target.closest("[data-facet]");
    if (option) {
      option.ariaSelected = String(option.ariaSelected !== "true");
      narrow(option.dataset.facet, showChips(option.closest("[popover]")), "#list");
    }
    const clear = event.target.closest("[data-facet-clear]");
    if (clear) {
      const box = clear.closest("[popover]");
      box.querySelectorAll("[role=option]").forEach((one) => { one.ariaSelected = "false"; });
      narrow(clear.dataset.facetClear, showChips(box), "#list");
      box.querySelector("[role=option]").focus();
    }
    const column = event.target.closest("[data-column]");
    if (column) {
      column.ariaChecked = String(column.ariaChecked !== "true");
      keepColumns(column.closest("[role=menu]"));
      refresh("#list");
    }
  });
}
