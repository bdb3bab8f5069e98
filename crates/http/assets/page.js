// What every page has: theme, menus, copy buttons, sign-out, times in the reader's zone.
import { call, go } from "./api.js";
import { remember } from "./focus.js";
import { toast, showKeptToast, toastAfter } from "./toast.js";
import { word } from "./words.js";

function setTheme(choice) {
  const root = document.documentElement;
  for (const item of document.querySelectorAll("[data-theme-choice]")) item.ariaCurrent = item.dataset.themeChoice === choice ? "true" : null;
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

// How long ago, in the largest unit that fits.
function ago(date, lang) {
  const seconds = (date - Date.now()) / 1000;
  const units = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];
  const [unit, length] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ["minute", 60];
  return new Intl.RelativeTimeFormat(lang, { numeric: "auto" }).format(Math.round(seconds / length), unit);
}

function localTimes() {
  // As the reader writes dates in the language of the page.
  const lang = document.documentElement.lang;
  const own = navigator.languages.find((tag) => tag.split("-")[0] === lang.split("-")[0]) ?? lang;
  const format = new Intl.DateTimeFormat(own, { dateStyle: "medium", timeStyle: "short" });
  for (const time of document.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    if (Number.isNaN(date.valueOf())) continue;
    time.textContent = time.dataset.ago === undefined ? format.format(date) : ago(date, lang);
    if (time.dataset.ago !== undefined) time.title = format.format(date);
  }
}

// A bar at the top while the server can't be reached; it goes with the first answer.
function startConnection() {
  const bar = document.createElement("div");
  bar.className = "offline";
  bar.setAttribute("role", "alert");
  document.body.prepend(bar);
  const show = (on) => {
    // Said once, not at every attempt.
    if (on !== (bar.textContent !== "")) bar.textContent = on ? word("offline") : "";
  };
  addEventListener("offline", () => show(true));
  addEventListener("online", () => show(false));
  document.addEventListener("unreachable", () => show(true));
  document.addEventListener("reached", () => show(false));
}

// The choice is this browser's, and that of the account if somebody is signed in: then it comes along everywhere.
async function setLanguage(choice) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `locale=${choice}; path=/; max-age=31536000; samesite=lax${secure}`;
  if (document.body.dataset.user !== undefined) {
    try {
      await call("PATCH", "/api/users/me", { locale: choice }, { "content-type": "application/merge-patch+json" });
    } catch (error) {
      return toast(error.message, "error");
    }
  }
  location.reload();
}

// Keys inside menus and lists of choices (WAI-ARIA menu button, menu and listbox patterns). Escape is the browser's.
const CHOICES = "[role^=menuitem], [role=option]";

function menuKeys(event) {
  const opener = event.target.closest("[popovertarget][aria-haspopup]");
  if (opener && ["ArrowDown", "ArrowUp"].includes(event.key)) {
    const menu = document.getElementById(opener.getAttribute("popovertarget"));
    menu.showPopover({ source: opener });
    if (event.key === "ArrowUp") [...menu.querySelectorAll(CHOICES)].at(-1)?.focus();
    return event.preventDefault();
  }
  const menu = event.target.closest("[role=menu], .menu [role=listbox], .menu[role=listbox]");
  if (!menu) return;
  if (event.key === "Tab") return menu.closest("[role=menu][popover], [role=listbox][popover]")?.hidePopover();
  const items = [...menu.querySelectorAll(CHOICES)];
  const at = items.indexOf(document.activeElement);
  let to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (to === undefined && event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const begins = (item) => item.textContent.trim().toLowerCase().startsWith(event.key.toLowerCase());
    const next = [...items.slice(at + 1), ...items.slice(0, at + 1)].find(begins);
    if (next) to = items.indexOf(next);
  }
  if (to === undefined) return;
  items[(to + items.length) % items.length]?.focus();
  event.preventDefault();
}

// Choosing closes a menu, and first: so what its item opens leads back to the menu's button.
function closeMenu(event) {
  const item = event.target.closest("[role=menuitem]");
  item?.closest("[role=menu][popover]")?.hidePopover();
}

// A row leads where its first link leads; with the mouse only, since that link can be reached anyway.
function openRow(event) {
  const link = event.target.closest("tbody tr")?.querySelector("a.primary");
  if (!link || event.target.closest("a, button, input, label, summary, [popover]") || !getSelection().isCollapsed) return;
  link.click();
}

export function startPage() {
  document.addEventListener("click", closeMenu, true);
  document.addEventListener("click", openRow);
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-theme-choice], [data-locale], [data-copy], [data-logout], [data-dismiss], [data-expand], [data-again], [data-back]");
    if (!target) return;
    const data = target.dataset;
    if (data.themeChoice) {
      setTheme(data.themeChoice);
    } else if (data.locale) setLanguage(data.locale);
    else if (data.copy !== undefined) copyFrom(target);
    else if (data.logout !== undefined) logOut();
    else if (data.dismiss !== undefined) dismiss(target.closest("[data-dismissible]"));
    else if (data.expand) expand(target);
    else if (data.again !== undefined) {
      event.preventDefault();
      location.reload();
    } else if (data.back !== undefined && document.referrer.split("?")[0] === target.href) {
      event.preventDefault();
      history.back();
    }
  });
  document.addEventListener("keydown", menuKeys);
  document.addEventListener("beforetoggle", (event) => {
    if (event.newState !== "open") return;
    if (event.target.matches?.(".menu-row, .languages")) beside(event.target);
    if (event.target.matches?.(".menu")) beginAt(event.target);
  }, true);
  document.addEventListener("keydown", (event) => {
    if (event.altKey && event.key.toLowerCase() === "t") document.querySelector("[data-toasts]")?.focus();
  });
  document.addEventListener("refreshed", localTimes);
  startConnection();
  localTimes();
  showKeptToast();
}

// The browser moves the focus there as it opens the menu, so that the next key already finds it; a `toggle` event comes later.
function beginAt(menu) {
  const choices = [...menu.querySelectorAll(CHOICES)];
  const first = choices.find((choice) => choice.ariaSelected === "true") ?? choices[0];
  for (const choice of choices) choice.autofocus = choice === first;
}

// A row's menu opens below its button, or above it near the end of the page.
function beside(menu) {
  const box = document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`).getBoundingClientRect();
  const below = innerHeight - box.bottom > 240;
  menu.style.top = below ? `${box.bottom + 4}px` : "auto";
  menu.style.bottom = below ? "auto" : `${innerHeight - box.top + 4}px`;
  // Where its end would not fit beside the button's, it begins where the button does.
  const fits = box.right > 260;
  menu.style.right = fits ? `${document.documentElement.clientWidth - box.right}px` : "auto";
  menu.style.left = fits ? "auto" : `${box.left}px`;
}

// The server leaves out what a browser has put away, so nothing jumps.
function dismiss(banner) {
  const known = document.cookie.match(/(?:^|; )dismissed=([^;]*)/)?.[1].split(".") ?? [];
  const all = [...known, banner.dataset.dismissible].filter(Boolean).slice(-10);
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `dismissed=${all.join(".")}; path=/; max-age=31536000; samesite=lax${secure}`;
  const back = remember(document.activeElement);
  banner.remove();
  back();
}

function expand(button) {
  const open = button.getAttribute("aria-expanded") !== "true";
  button.setAttribute("aria-expanded", String(open));
  document.getElementById(button.dataset.expand).hidden = !open;
}
