// Tabs (WAI-ARIA tabs pattern). Those with `data-tab` are kept in step with the address's hash.

function tabsOf(list) {
  return [...list.querySelectorAll("[role=tab]")];
}

function showTab(tab, focus = false) {
  const list = tab.closest("[role=tablist]");
  for (const other of tabsOf(list)) {
    const on = other === tab;
    other.setAttribute("aria-selected", String(on));
    other.tabIndex = on ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = !on;
  }
  // On a narrow screen the strip is wider than what is seen of it.
  list.scrollLeft = tab.offsetLeft - list.offsetLeft - (list.clientWidth - tab.offsetWidth) / 2;
  if (focus) tab.focus();
}

function chooseTab(tab, focus) {
  showTab(tab, focus);
  if (tab.dataset.tab) history.replaceState(null, "", `#${tab.dataset.tab}`);
}

// The hash names a tab, or something inside of one.
function fromHash() {
  const tabs = [...document.querySelectorAll("[role=tab][data-tab]")];
  const hash = location.hash.slice(1);
  const place = document.getElementById(hash);
  const panel = place?.closest("[role=tabpanel]");
  const tab = tabs.find((one) => one.dataset.tab === hash) ?? tabs.find((one) => panel && one.getAttribute("aria-controls") === panel.id);
  if (tab ?? tabs[0]) showTab(tab ?? tabs[0]);
  if (panel && tab) place.scrollIntoView();
}

export function startTabs() {
  document.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) chooseTab(tab);
  });
  document.addEventListener("keydown", (event) => {
    const here = event.target.closest("[role=tab]");
    if (!here) return;
    const tabs = tabsOf(here.closest("[role=tablist]"));
    const at = tabs.indexOf(here);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    chooseTab(tabs[(to + tabs.length) % tabs.length], true);
  });
  addEventListener("hashchange", fromHash);
  fromHash();
}
