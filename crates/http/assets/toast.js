// Short messages in a live region at the edge of the page.

export function toast(text, kind = "success") {
  const region = document.querySelector("[data-toasts]");
  if (!region) return;
  const item = document.createElement("li");
  item.className = "toast";
  item.dataset.type = kind;
  item.setAttribute("aria-live", kind === "error" ? "assertive" : "polite");
  item.setAttribute("aria-atomic", "true");
  region.querySelector("ol").append(item);
  // A popover stands above dialogs; shown again it moves to the top.
  if (region.showPopover) {
    if (region.matches(":popover-open")) region.hidePopover();
    region.showPopover();
  }
  // Filled after it is in the page, so that it is announced.
  requestAnimationFrame(() => { item.textContent = text; });
  const rest = kind === "error" ? 8000 : 4000;
  setTimeout(function end() {
    // Whoever went there to read (Alt+T) keeps it.
    if (region.matches(":focus-within")) return setTimeout(end, 1000);
    item.remove();
    if (!region.querySelector("li") && region.matches?.(":popover-open")) region.hidePopover();
  }, rest);
}

// A message that survives the way to the next page.
export function toastAfter(text) {
  try { sessionStorage.setItem("toast", text); } catch { /* not allowed: no message */ }
}

export function showKeptToast() {
  try {
    const text = sessionStorage.getItem("toast");
    sessionStorage.removeItem("toast");
    if (text) toast(text);
  } catch { /* not allowed: none was kept */ }
}
