// The colour of the pages: named ones and one of one's own, seen at once and kept when the form is saved.

// Those that the server takes: a name, a hexadecimal colour, a colour function with plain numbers.
function isColour(text) {
  return /^(#[0-9a-f]+|[a-z]+|(rgba?|hsla?|hwb|lab|lch|oklab|oklch)\([\d\s.,%/a-z+-]+\))$/i.test(text) && CSS.supports("color", text);
}

function preview(colour) {
  const { style } = document.documentElement;
  if (colour === "default") {
    style.removeProperty("--accent");
    style.removeProperty("--on-accent");
    // A stored colour is not the default one.
    document.querySelector("link[data-accent]")?.setAttribute("disabled", "");
    return;
  }
  style.setProperty("--accent", colour);
  style.setProperty("--on-accent", `oklch(from ${colour} clamp(0, (.68 - l) * 1000, 1) 0 0)`);
}

export function startAccent() {
  const field = document.getElementById("accent");
  if (!field) return;
  const radios = () => [...document.querySelectorAll("[name=accent-choice]")];
  const own = document.querySelector("[data-own-accent]");
  const dialog = document.getElementById("own-accent");
  const value = document.getElementById("accent-value");
  const apply = dialog.querySelector("[type=submit]");
  const show = () => {
    const known = radios().find((radio) => radio.value === field.value);
    if (!known) own.value = field.value;
    (known ?? own).checked = true;
    own.parentElement.querySelector("circle").setAttribute("fill", own.value || "none");
    preview(field.value);
  };
  const look = () => {
    const good = isColour(value.value.trim());
    apply.disabled = !good;
    dialog.querySelector("[data-swatch]").setAttribute("fill", good ? value.value.trim() : "none");
  };
  const ask = () => {
    value.value = own.value;
    look();
    dialog.showModal();
    value.select();
  };
  const set = (colour) => {
    field.value = colour;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  };
  for (const radio of radios()) {
    radio.addEventListener("change", () => (radio === own ? ask() : set(radio.value)));
  }
  // Chosen already, it is asked for again.
  own.addEventListener("click", () => { if (own.checked && own.value === field.value && !dialog.open) ask(); });
  field.addEventListener("change", show);
  value.addEventListener("input", look);
  dialog.querySelector("form").addEventListener("submit", () => {
    own.value = value.value.trim();
    set(own.value);
  });
  // Whoever cancels is back at what was chosen before.
  dialog.addEventListener("close", show);
}
