// The panel beside a thread: whether it is folded is remembered. Where it would cover the thread, it
// begins folded.

const NARROW = matchMedia("(max-width: 75rem)");

NARROW.addEventListener("change", () => {
  const side = /** @type {HTMLDetailsElement | null} */ (document.getElementById("side"));
  if (side && NARROW.matches) side.open = false;
});

document.addEventListener("keydown", (event) => {
  const side = /** @type {HTMLDetailsElement | null} */ (document.getElementById("side"));
  if (event.key !== "Escape" || event.defaultPrevented || !NARROW.matches || !side?.open) return;
  event.preventDefault();
  side.open = false;
  side.querySelector("summary")?.focus();
});

/** Brings the panel of the open thread to life. */
export function rememberSide() {
  const side = /** @type {HTMLDetailsElement | null} */ (document.getElementById("side"));
  if (!side) return;
  if (NARROW.matches) side.open = false;
  side.addEventListener("toggle", () => {
    if (!NARROW.matches) document.cookie = `lado=${side.open ? "abierto" : "cerrado"}; path=/; max-age=31536000; samesite=lax`;
  });
}
