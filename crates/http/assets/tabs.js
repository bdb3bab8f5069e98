// Tabs (WAI-ARIA tabs pattern), kept in step with the address's hash.

export function startTabs() {
  const list = document.querySelector("[role=tablist]");
  if (!list) return;
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const show = (tab, focus = false) => {
    for (const other of tabs) {
      const on = other === tab;
      other.setAttribute("aria-selected", String(on));
      other.tabIndex = on ? 0 : -1;
      document.getElementById(other.getAttribute("aria-controls")).hidden = !on;
    }
    // On a narrow screen the strip is wider than what is seen of it.
    list.scrollLeft = tab.offsetLeft - list.offsetLeft - (list.clientWidth - tab.offsetWidth) / 2;
    if (focus) tab.focus();
  };
  const fromHash = () => tabs.find((t) => `#${t.dataset.tab}` === location.hash) ?? tabs[0];
  list.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (!tab) return;
    show(tab);
    history.replaceState(null, "", `#${tab.dataset.tab}`);
  });
  list.addEventListener("keydown", (event) => {
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const tab = tabs[(to + tabs.length) % tabs.length];
    show(tab, true);
    history.replaceState(null, "", `#${tab.dataset.tab}`);
  });
  addEventListener("hashchange", () => show(fromHash()));
  show(fromHash());
}
