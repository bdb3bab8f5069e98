// The launcher: what is typed narrows it, Enter launches the first, `/` begins.
export function startApps() {
  const field = document.querySelector("[data-find-app]");
  if (!field) return;
  const cards = () => [...document.querySelectorAll("#apps > .apps > .app")];
  const found = () => cards().filter((card) => !card.hidden);
  const narrow = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const card of cards()) {
      const text = card.textContent.toLowerCase();
      card.hidden = !words.every((one) => text.includes(one));
    }
    document.querySelector("[data-none]").hidden = found().length > 0;
    document.querySelector("[data-found]").textContent = words.length ? found().map((card) => card.ariaLabel).slice(0, 3).join(", ") : "";
  };
  field.addEventListener("input", narrow);
  document.addEventListener("refreshed", narrow);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") found()[0]?.querySelector(".launch")?.click();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
    event.preventDefault();
    field.focus();
  });
}
