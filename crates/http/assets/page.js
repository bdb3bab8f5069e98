// What every page has: theme, menus, copy buttons, sign-out, times in the reader's zone.
import { call, go } from "./api.js";
import { toast, showKeptToast, toastAfter } from "./toast.js";
import { word } from "./words.js";

function setTheme(choice) {
  const root = document.documentElement;
  if (choice === "system") delete root.dataset.theme;
  else root.dataset.theme = choice;
  const secure = location.protocol === "https:" ? "; secure" : "";
  const age = choice === "system" ? 0 : 31536000;
  document.cookie = `theme=${choice}; path=/; max-age=${age}; samesite=lax${secure}`;
}

async function copyFrom(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1500);
    toast(word("copied"));
  } catch {
    const value = button.querySelector(".copy-value");
    if (value) getSelection()?.selectAllChildren(value);
    toast(word("copy-failed"), "error");
  }
}

async function logOut() {
  try {
    await call("POST", "/api/webauthn/logout");
  } catch (error) {
    // Not signed in any more is what was wanted.
    if (error.status !== 401) return toast(error.message, "error");
  }
  toastAfter(word("signed-out"));
  go("/login");
}

function localTimes() {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const time of document.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    if (!Number.isNaN(date.valueOf())) time.textContent = format.format(date);
  }
}

// Arrow keys inside menus (WAI-ARIA menu pattern).
function menuKeys(event) {
  const menu = event.target.closest("[role=menu]");
  if (!menu || !["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
  const items = [...menu.querySelectorAll("[role^=menuitem]")];
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  items[(to + items.length) % items.length]?.focus();
  event.preventDefault();
}

export function startPage() {
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-theme-choice], [data-copy], [data-logout], [data-dismiss], [data-expand], [data-back]");
    if (!target) return;
    const data = target.dataset;
    if (data.themeChoice) {
      setTheme(data.themeChoice);
      target.closest("[popover]")?.hidePopover();
    } else if (data.copy !== undefined) copyFrom(target);
    else if (data.logout !== undefined) logOut();
    else if (data.dismiss !== undefined) dismiss(target.closest("[data-dismissible]"));
    else if (data.expand) expand(target);
    else if (data.back !== undefined && document.referrer.split("?")[0] === target.href) {
      event.preventDefault();
      history.back();
    }
  });
  document.addEventListener("keydown", menuKeys);
  document.addEventListener("beforetoggle", (event) => {
    if (event.newState === "open" && event.target.classList?.contains("menu-row")) beside(event.target);
  }, true);
  document.addEventListener("toggle", (event) => {
    if (event.newState === "open" && event.target.getAttribute?.("role") === "menu") {
      event.target.querySelector("[role^=menuitem]")?.focus();
    }
  }, true);
  document.addEventListener("keydown", (event) => {
    if (event.altKey && event.key.toLowerCase() === "t") document.querySelector("[data-toasts]")?.focus();
  });
  document.addEventListener("refreshed", localTimes);
  localTimes();
  hideDismissed();
  showKeptToast();
}

// A row's menu opens below its button, or above it near the end of the page.
function beside(menu) {
  const box = document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`).getBoundingClientRect();
  const below = innerHeight - box.bottom > 240;
  menu.style.top = below ? `${box.bottom + 4}px` : "auto";
  menu.style.bottom = below ? "auto" : `${innerHeight - box.top + 4}px`;
  menu.style.right = `${document.documentElement.clientWidth - box.right}px`;
}

function dismiss(banner) {
  try { localStorage.setItem(`dismissed-${banner.dataset.dismissible}`, "1"); } catch { /* it comes back */ }
  banner.remove();
}

function hideDismissed() {
  for (const banner of document.querySelectorAll("[data-dismissible]")) {
    try { if (localStorage.getItem(`dismissed-${banner.dataset.dismissible}`)) banner.remove(); } catch { /* shown */ }
  }
}

function expand(button) {
  const open = button.getAttribute("aria-expanded") !== "true";
  button.setAttribute("aria-expanded", String(open));
  document.getElementById(button.dataset.expand).hidden = !open;
}
