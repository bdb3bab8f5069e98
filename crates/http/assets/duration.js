// A length of time: a number and its unit, kept in a hidden field in minutes.
const UNITS = [1440, 60, 1];

function partsOf(box) {
  return { number: box.querySelector("[type=number]"), unit: box.querySelector("select"), kept: box.querySelector("[hidden]") };
}

// The largest unit that is exact and of which there are several: guides say 60 minutes, not an hour.
function showDuration(box) {
  const { number, unit, kept } = partsOf(box);
  const minutes = Number(kept.value);
  if (!minutes) {
    number.value = kept.value;
    return;
  }
  unit.value = UNITS.find((one) => minutes % one === 0 && minutes > one) ?? 1;
  number.value = minutes / Number(unit.value);
}

export function startDurations() {
  const all = () => document.querySelectorAll("[data-duration]");
  all().forEach(showDuration);
  document.addEventListener("input", (event) => {
    const box = event.target.closest("[data-duration]");
    if (!box || event.target.type !== "number") return;
    const { number, unit, kept } = partsOf(box);
    // A sum like 0.1 * 60 is no whole number for the machine.
    kept.value = number.value === "" ? "" : String(Math.round(Number(number.value) * Number(unit.value) * 1000) / 1000);
  }, true);
  document.addEventListener("change", (event) => {
    const box = event.target.closest("[data-duration]");
    if (!box) return;
    const { number, unit, kept } = partsOf(box);
    // Another unit says the same length; what came from elsewhere is shown.
    if (event.target === unit && number.value !== "") number.value = Number(kept.value) / Number(unit.value);
    if (event.target === kept) showDuration(box);
  });
}
