// What can be done by keys: one table, for who presses them, for the sheet that lists them, and for
// the palette. Everything is done by pressing what is on the page, and looked for when it is needed.
import { say } from "./texts.js";

/**
 * @typedef {object} Command
 * @property {string} id
 * @property {string[]} keys as events name them; one after the other with a blank between them
 * @property {() => string} words
 * @property {() => unknown} find what it would be done with; nothing where it cannot be done now
 * @property {(found: any) => unknown} [run] without it, the browser does it
 * @property {string} [shown] selects the control whose key this is
 * @property {() => string} [missing] says that there is nothing
 * @property {boolean} [walks] it is done again and again, and by keys alone
 *
 * @typedef {{title: () => string, commands: Command[]}} Group
 */

/** What is on the screen, of all that a selector names. @param {string} selector @returns {any} */
const seen = (selector) => [...document.querySelectorAll(selector)].find((one) => one.checkVisibility()) ?? null;

/** @param {HTMLElement} found */
const press = (found) => found.click();
/** @param {HTMLElement} found */
const focus = (found) => found.focus();

/** Unfolds a menu, and goes to what is first in it. @param {HTMLElement} summary */
function unfold(summary) {
  const menu = /** @type {HTMLDetailsElement} */ (summary.parentElement);
  menu.open = true;
  /** @type {HTMLElement | null} */ (menu.querySelector("button, input:not([type=hidden]), textarea"))?.focus();
}

/** Goes to a choice, and shows what there is. @param {HTMLSelectElement} found */
function choose(found) {
  found.focus();
  try {
    found.showPicker();
  } catch {
    // Where the browser does not, the arrow keys do.
  }
}

/** @returns {HTMLAnchorElement[]} */
const links = () => (seen("#rows") ? [...document.querySelectorAll(/** @type {"a"} */ ("#rows .row > a"))] : []);

/** The row that has the focus, or else that of what is open. */
function here() {
  const all = links();
  const focused = all.findIndex((one) => one.parentElement?.contains(document.activeElement));
  return focused >= 0 ? focused : all.findIndex((one) => one.hasAttribute("aria-current"));
}

/** The row after this one, or before it; after the last one there may be more. @param {1 | -1} by */
function neighbour(by) {
  const all = links();
  const now = here();
  if (now < 0) return by > 0 ? all[0] : all.at(-1);
  return all[now + by] ?? (by > 0 ? document.getElementById("more") : null);
}

/** @param {HTMLElement} found */
const step = (found) => (found.id === "more" ? press(found) : focus(found));

/** The next unread conversation after the one that is open or has the focus, from the top again after the last. */
function unread() {
  const all = links();
  const now = here();
  const order = [...all.slice(now + 1), ...all.slice(0, Math.max(now, 0))];
  return order.find((one) => one.closest(".unread"));
}

/** The row that has the focus, where another conversation is open, or none: what is done is done to it. */
function other() {
  const link = links()[here()];
  return link?.parentElement?.contains(document.activeElement) && !link.hasAttribute("aria-current") ? link : null;
}

/** The box of that row. @returns {HTMLInputElement | null | undefined} */
const ownBox = () => other()?.parentElement?.querySelector(".pick input");
const ticked = () => document.querySelector(".pick input:checked");

/** A control of those that are selected, or of that row, or else one of what is open.
 * @param {string} several @param {string} one */
const control = (several, one) => (ticked() ?? ownBox() ? document.querySelector(`#bulk ${several}`) : seen(`#desk ${one}`));

/** What is done to that row is done as to those that are selected.
 * @param {(found: any) => unknown} run @returns {(found: any) => unknown} */
const selecting = (run) => (found) => {
  if (found.form?.id === "bulk" && !ticked()) ownBox()?.click();
  run(found);
};

/** @param {string} value */
const status = (value) => ({
  find: () => control(`button[value=${value}]`, `button[value=${value}]`), run: selecting(press), shown: `#desk button[value=${value}]`,
});

/** Opens that row first. @param {string} selector @param {(found: any) => unknown} run */
const within = (selector, run) => ({
  find: () => other() ?? seen(selector),
  run: (/** @type {HTMLElement} */ found) => {
    if (!found.matches("#rows a")) return run(found);
    document.addEventListener("registro:opened", () => seen(selector) && run(seen(selector)), { once: true });
    press(found);
  },
  shown: selector,
});

const me = () => document.getElementById("logout")?.dataset.user ?? "";

/** The choice of an admin, where it is not oneself yet. */
function assignee() {
  const found = control("[name=a]", "#assignee");
  return found?.id === "assignee" && found.value === me() ? null : found;
}

/** @param {HTMLSelectElement} found */
function toMe(found) {
  found.value = me();
  if (found.id === "assignee") found.dispatchEvent(new Event("change", { bubbles: true }));
  else press(/** @type {HTMLElement} */ (document.querySelector("#bulk [value=asignar]")));
}

/** @param {any} found */
const turnTo = (found) => (found.matches("summary") ? unfold(found) : found.matches("select") ? choose(found) : focus(found));

/** @param {string} address */
const page = (address) => () => (location.pathname + location.search === address ? null : address);
/** @param {string} address */
export function follow(address) {
  const link = document.createElement("a");
  link.href = address;
  document.body.append(link); // as a click on the page, so that what takes links over takes this one
  link.click();
  link.remove();
}

/** @type {Group[]} */
export const GROUPS = [
  {
    title: () => say("The list"),
    commands: [
      { id: "next", keys: ["j", "ArrowDown"], words: () => say("Next conversation"), find: () => neighbour(1), run: step, walks: true },
      { id: "previous", keys: ["k", "ArrowUp"], words: () => say("Previous conversation"), find: () => neighbour(-1), run: step, walks: true },
      { id: "open", keys: ["Enter"], words: () => say("Open the conversation"), find: () => null },
      {
        id: "unread", keys: ["n"], words: () => say("Open the next unread conversation"), find: unread, run: press,
        missing: () => say("None of the conversations that are shown is unread."),
      },
      {
        id: "select", keys: ["x"], words: () => say("Select the conversation"),
        find: () => links()[here()]?.parentElement?.querySelector(".pick input"), run: press, walks: true,
      },
      { id: "search", keys: ["/"], words: () => say("Search messages"), find: () => seen("#find"), run: focus, shown: "#find" },
    ],
  },
  {
    title: () => say("The conversation in focus, or open, or all that are selected"),
    commands: [
      { id: "reply", keys: ["r"], words: () => say("Reply"), ...within("#text", focus) },
      { id: "note", keys: ["i"], words: () => say("Write a private note"), ...within("#note-writer > summary", unfold) },
      { id: "attach", keys: ["f"], words: () => say("Attach files"), ...within("#attach", press) },
      { id: "resolve", keys: ["e"], words: () => say("Resolve"), ...status("resuelta") },
      { id: "reopen", keys: ["o"], words: () => say("Open again"), ...status("abierta") },
      { id: "pending", keys: ["p"], words: () => say("Set pending"), ...status("pendiente") },
      {
        id: "assign", keys: ["a"], words: () => say("Assign"), find: () => control("[name=a]", "#assignee"), run: selecting(choose),
        shown: "#assignee",
      },
      { id: "mine", keys: ["m"], words: () => say("Assign to me"), find: assignee, run: selecting(toMe) },
      {
        id: "snooze", keys: ["s"], words: () => say("Snooze"), find: () => control("[name=hasta]", "#snooze-menu > summary"),
        run: selecting(turnTo), shown: "#snooze-menu > summary",
      },
      {
        id: "label", keys: ["l"], words: () => say("Label"), find: () => control("[name=etiqueta]", "#label-menu > summary"),
        run: selecting(turnTo), shown: "#label-menu > summary",
      },
      {
        id: "mark-unread", keys: ["u"], words: () => say("Mark unread"),
        find: () => control("[value=sin-leer]", "[data-deed=sin-leer] button"), run: selecting(press),
        shown: "#desk [data-deed=sin-leer] button",
      },
      {
        id: "mark-read", keys: ["v"], words: () => say("Mark read"), // what is open has been read
        find: () => (ticked() ?? ownBox()) && document.querySelector("#bulk [value=leer]"), run: selecting(press),
      },
      { id: "undo", keys: ["z"], words: () => say("Undo what was done last"), find: () => seen("#toast button"), run: press },
    ],
  },
  {
    title: () => say("Pages"),
    commands: [
      { id: "inbox", keys: ["g i"], words: () => say("Inbox"), find: page("/soporte"), run: follow },
      { id: "people", keys: ["g p"], words: () => say("People"), find: page("/admin/personas"), run: follow },
      { id: "answers", keys: ["g c"], words: () => say("Canned answers"), find: page("/admin/respuestas"), run: follow },
      { id: "hours", keys: ["g h"], words: () => say("Office hours"), find: page("/admin/horario"), run: follow },
      { id: "log", keys: ["g l"], words: () => say("Log"), find: page("/admin/registro"), run: follow },
      { id: "reports", keys: ["g r"], words: () => say("Reports"), find: page("/admin/informes"), run: follow },
      { id: "find", keys: ["g b"], words: () => say("Search"), find: page("/admin/buscar"), run: follow },
      { id: "admin", keys: ["g a"], words: () => say("Admin"), find: page("/admin"), run: follow },
      { id: "preferences", keys: ["g s"], words: () => say("Preferences"), find: page("/preferencias"), run: follow },
    ],
  },
  {
    title: () => say("Everywhere"),
    commands: [
      { id: "palette", keys: ["Control+K"], words: () => say("Do something, or go somewhere"), find: () => null, shown: "#open-palette" },
      { id: "sheet", keys: ["?"], words: () => say("Keys"), find: () => document.getElementById("open-sheet"), run: press, shown: "#open-sheet" },
      { id: "leave", keys: ["Escape"], words: () => say("Close; leave what one writes; back to the list"), find: () => null },
    ],
  },
];

export const COMMANDS = GROUPS.flatMap((group) => group.commands);

const APPLE = /Mac|iP(hone|ad)/.test(globalThis.navigator?.platform ?? "");

/** What a key is called on the keyboard. @param {string} key */
export function nameOf(key) {
  /** @type {Record<string, () => string>} */
  const names = { ArrowDown: () => "↓", ArrowUp: () => "↑", Enter: () => say("Enter"), Escape: () => say("Esc"), "Control+K": () => (APPLE ? "⌘ K" : "Ctrl K") };
  return names[key]?.() ?? key;
}
