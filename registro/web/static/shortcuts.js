// Listens to the keys of admins, on every page. Single keys are for when nobody writes, and can be
// switched off (WCAG 2.1.4); the palette's key and Escape stay.
import { tell } from "./desk.js";
import { COMMANDS, nameOf } from "./keys.js";
import { openPalette } from "./palette.js";
import { openSheet } from "./sheet.js";

/** Milliseconds in which the second key of two has to come. */
const SECOND = 1500;
/** Fields in which nothing is written. */
const SWITCHES = ["checkbox", "radio", "button", "submit", "reset"];

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);

const on = document.documentElement.dataset.shortcuts !== "off";

/** Whether keys go into a field. @param {Element | null} place */
function writes(place) {
  if (place instanceof HTMLInputElement) return !SWITCHES.includes(place.type);
  return place instanceof HTMLElement && (place.matches("textarea, select") || place.isContentEditable);
}

/** Arrow keys move what has the focus; from row to row only where nothing else would move. */
function roams() {
  const place = document.activeElement;
  return !place || place === document.body || Boolean(place.closest("#rows")) || place.matches("h1, h2, #more");
}

/** The first key of two, while the second is waited for. */
let first = "";
/** @type {ReturnType<typeof setTimeout> | undefined} */ let waiting;
/** @param {string} key */
function wait(key) {
  clearTimeout(waiting);
  first = key;
  if (key) waiting = setTimeout(() => (first = ""), SECOND);
}

/** @param {KeyboardEvent} event */
function single(event) {
  const letter = /^\p{L}$/u.test(event.key);
  const key = letter ? event.key.toLowerCase() : event.key; // whatever Caps Lock makes of it
  // Shift makes other characters (`?`, on many keyboards `/`), but of a letter something else.
  if (event.shiftKey && (letter || key.length > 1)) return;
  if (key.startsWith("Arrow") && !roams()) return;
  const whole = first ? `${first} ${key}` : key;
  const command = COMMANDS.find((one) => one.keys.includes(whole));
  const begins = !first && COMMANDS.some((one) => one.keys.some((keys) => keys.startsWith(`${key} `)));
  if (first || begins) event.preventDefault();
  wait(begins ? key : "");
  // What a key that is held down does again and again is walking, nothing else.
  if (!command?.run || (event.repeat && !command.walks)) return;
  const found = command.find();
  if (!found) return void ($("toast") && command.missing && tell(command.missing(), null));
  event.preventDefault();
  command.run(found);
}

/** Leaves what one is in, the innermost first. */
function leave() {
  const place = document.activeElement;
  if (writes(place)) {
    /** @type {HTMLElement} */ (place).blur();
    const note = place?.closest("#note-writer")?.querySelector("summary");
    (note ?? (place?.closest("#thread") ? $("log") : $("list-title") && rowOrTitle()))?.focus();
  } else if (document.querySelector(".pick input:checked")) $("bulk").reset();
  else document.querySelector(/** @type {"a"} */ ("#thread .back"))?.click();
}

/** The row of what is open, else the list's heading. */
function rowOrTitle() {
  const title = $("list-title");
  title.tabIndex = -1;
  return document.querySelector("#rows a[aria-current]") ?? document.querySelector("#rows .row > a") ?? title;
}

window.addEventListener("keydown", (event) => {
  // Safari ends a composition before it tells of the key that ended it: 229 is what is left of it.
  if (event.defaultPrevented || event.isComposing || event.keyCode === 229) return;
  if (document.querySelector("dialog[open]")) return;
  const { key, ctrlKey, metaKey, altKey } = event;
  if (key.toLowerCase() === "k" && (ctrlKey || metaKey) && !altKey && !event.shiftKey) {
    event.preventDefault();
    openPalette();
  } else if (ctrlKey || metaKey || altKey) return;
  else if (key === "Escape") first ? wait("") : leave();
  else if (on && !writes(document.activeElement)) single(event);
});

/** Tells the keys at the controls whose keys they are. */
function mark() {
  for (const { keys, words, shown } of COMMANDS) {
    const [key] = keys;
    if (!shown || (!on && key !== "Control+K")) continue;
    for (const control of document.querySelectorAll(/** @type {"button"} */ (shown))) {
      control.setAttribute("aria-keyshortcuts", key);
      if (!control.matches("input, textarea")) control.title ||= `${words()} (${nameOf(key)})`;
    }
  }
}

document.addEventListener("registro:opened", mark);
for (const [id, open] of /** @type {const} */ ([["open-palette", openPalette], ["open-sheet", () => openSheet(on)]])) {
  $(id).hidden = false;
  $(id).addEventListener("click", open);
}
mark();
