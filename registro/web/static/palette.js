// The palette: what can be done now, conversations, lists and pages, found by some letters of them.
import { fit, plain } from "./fuzzy.js";
import { COMMANDS, follow, nameOf } from "./keys.js";
import { element } from "./lines.js";
import { keyOf } from "./outbox.js";
import { say } from "./texts.js";

/** Entries that are shown. */
const SHOWN = 30;
/** Milliseconds without a key, before the server is asked. */
const PAUSE = 150;
/** Entries that are remembered as the last ones. */
const RECENT = 6;
/** What the last ones, and what keys do, count more, where others fit as well. */
const BONUS = { recent: 4, command: 1 };

/**
 * @typedef {object} Entry something that can be chosen
 * @property {string} id
 * @property {string} words
 * @property {string} kind what it is
 * @property {string} [user] of a conversation
 * @property {string[]} [keys] that do the same
 * @property {() => unknown} run
 * @property {string[]} [plain] its words, and its user name, for comparing
 *
 * @typedef {{entry: Entry, places: number[]}} Match
 */

const me = document.getElementById("logout")?.dataset.user ?? "";
const RECENT_KEY = keyOf(me, "palette", "recent");

/** Ids of what was chosen, the last one first. @returns {string[]} */
function recent() {
  try {
    const ids = JSON.parse(localStorage.getItem(RECENT_KEY) ?? "[]");
    return Array.isArray(ids) ? ids : [];
  } catch {
    return [];
  }
}

/** @param {string} id */
function remember(id) {
  try {
    localStorage.setItem(RECENT_KEY, JSON.stringify([id, ...recent().filter((one) => one !== id)].slice(0, RECENT)));
  } catch {
    // The browser keeps nothing.
  }
}

/** @param {string} user @param {string} name @returns {Entry} */
const conversation = (user, name) => ({ id: `con:${user}`, words: name, user, kind: say("Conversation"), run: () => openConversation(user) });

/** Beside the list that is shown, if there is one. @param {string} user */
function openConversation(user) {
  const row = /** @type {HTMLElement | null} */ (document.querySelector(`.row[data-user="${CSS.escape(user)}"] > a`));
  if (row) return row.click();
  const query = new URLSearchParams(location.pathname === "/soporte" ? location.search : "");
  for (const place of ["antes", "despues", "mensaje", "ultimos", "cursor"]) query.delete(place);
  query.set("con", user);
  follow(`/soporte?${query}`);
}

/** The text of a link, without what only numbers it. @param {Element} link */
const textOf = (link) => [...link.childNodes].filter((part) => !(part instanceof Element && part.matches(".count, .hidden"))).map((part) => part.textContent).join("").trim();

/** What there is to choose on this page, now. @returns {Entry[]} */
function entries() {
  const commands = COMMANDS.flatMap(({ id, keys, words, find, run, walks }) => {
    const found = run && !walks && find();
    if (!found) return [];
    const kind = keys[0].startsWith("g ") ? say("Page") : say("Action");
    return [{ id, keys, kind, words: words(), run: () => run(found) }];
  });
  const lists = [...document.querySelectorAll(/** @type {"a"} */ ("#views a, #filters a"))].map((link) => ({
    id: `list:${link.getAttribute("href")}`, words: textOf(link), kind: link.closest("#views") ? say("Saved view") : say("List"), run: () => link.click(),
  }));
  const rows = [...document.querySelectorAll(/** @type {"li"} */ ("#rows .row"))].map((row) => conversation(row.dataset.user ?? "", row.querySelector(".name bdi")?.textContent ?? ""));
  return [...commands, ...rows, ...lists];
}

/** The entries that fit a query, best first; without one the last ones, and then as they stand.
 * @param {Entry[]} all @param {string} query @param {string[]} last @returns {Match[]} */
export function matching(all, query, last) {
  const words = plain(query.trim());
  const matches = all.flatMap((entry, order) => {
    const before = last.indexOf(entry.id);
    if (!words) return [{ entry, places: /** @type {number[]} */ ([]), score: before < 0 ? -order - RECENT : -before }];
    entry.plain ??= [plain(entry.words), plain(entry.user ?? "")];
    const [name, user] = entry.plain.map((text) => fit(words, text));
    if (!name && !user) return [];
    const score = Math.max(name?.score ?? -Infinity, user?.score ?? -Infinity) + (before < 0 ? 0 : BONUS.recent) + (entry.keys ? BONUS.command : 0);
    return [{ entry, places: name?.places ?? [], score }];
  });
  return matches.sort((one, other) => other.score - one.score);
}

/** People whose conversations are not in the list. @param {string} query @param {AbortSignal} signal @returns {Promise<Entry[]>} */
async function ask(query, signal) {
  const answer = await fetch(`/api/personas?${new URLSearchParams({ nombre: query })}`, { signal }).catch(() => null);
  if (!answer?.ok) return [];
  /** @type {{user: string, name: string}[]} */ const people = await answer.json().catch(() => []);
  return people.map(({ user, name }) => conversation(user, name));
}

/** Words with those letters marked that were typed. @param {string} words @param {number[]} places */
function marked(words, places) {
  const name = element("bdi");
  const at = new Set(places);
  for (let place = 0; place < words.length; ) {
    const start = place;
    while (place < words.length && at.has(place) === at.has(start)) place += 1;
    const part = words.slice(start, place);
    name.append(at.has(start) ? element("mark", "", part) : part);
  }
  return name;
}

/** @param {Match} match @param {number} place */
function option({ entry, places }, place) {
  const words = element("span", "words", "", marked(entry.words, places));
  const item = element("li", "", "", words);
  if (entry.user && entry.user !== entry.words) words.append(" ", element("span", "user", "", element("bdi", "", entry.user)));
  item.append(element("span", "kind", entry.kind));
  if (entry.keys) item.append(element("span", "by", "", ...entry.keys[0].split(" ").map((key) => element("kbd", "", nameOf(key)))));
  item.id = `palette-${place}`;
  item.setAttribute("role", "option");
  return item;
}

/** Shows it. The browser keeps the focus in it, and gives it back. */
export function openPalette() {
  const all = entries(); // before the dialog makes everything else inert
  const last = recent();
  const input = element("input");
  Object.assign(input, { type: "text", autocomplete: "off", spellcheck: false, placeholder: say("Do something, or go somewhere") });
  const list = element("ul");
  list.id = "palette-list";
  list.setAttribute("role", "listbox");
  const none = element("p", "none", say("Nothing is called that."));
  none.setAttribute("role", "status");
  const dialog = element("dialog", "palette", "", input, list, none);
  for (const part of [dialog, input, list]) part.setAttribute("aria-label", say("Palette"));
  for (const [name, value] of Object.entries({ role: "combobox", "aria-controls": list.id, "aria-expanded": "true", "aria-autocomplete": "list" })) input.setAttribute(name, value);

  /** @type {Match[]} */ let shown = [];
  let active = 0;
  /** @type {Entry[]} */ let more = [];
  let asking = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let pause;
  /** Whether the server's answer is waited for, and whether Enter was pressed meanwhile. */
  let pending = false;
  let hurried = false;

  const point = (/** @type {number} */ place) => {
    active = place;
    [...list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === place)));
    const item = list.children[place];
    if (item) input.setAttribute("aria-activedescendant", item.id);
    else input.removeAttribute("aria-activedescendant");
    item?.scrollIntoView({ block: "nearest" });
  };

  const show = () => {
    const query = input.value.trim();
    shown = matching([...all, ...more], query, last).slice(0, SHOWN);
    if (query) shown.push({ entry: { id: "search", words: say("Search messages for “{text}”", { text: query }), kind: say("Search"), run: () => follow(`/admin/buscar?q=${encodeURIComponent(query)}`) }, places: [] });
    list.replaceChildren(...shown.map(option));
    none.hidden = shown.length > 0;
  };

  /** What the server knows comes in where it fits; what is pointed at stays so, once one has moved to it. */
  const askSoon = () => {
    clearTimeout(pause);
    asking.abort();
    const { signal } = (asking = new AbortController());
    const query = input.value.trim();
    pending = Boolean(query);
    hurried = false;
    if (!query) return void (more = []);
    pause = setTimeout(async () => {
      const found = await ask(query, signal);
      if (signal.aborted) return; // a later one wins
      pending = false;
      const known = new Set(all.map((entry) => entry.id));
      more = found.filter((entry) => !known.has(entry.id));
      const chosen = active ? shown[active]?.entry.id : "";
      show();
      point(Math.max(0, shown.findIndex(({ entry }) => entry.id === chosen)));
      if (hurried) take(active);
    }, PAUSE);
  };

  const take = (/** @type {number} */ place) => {
    const match = shown[place];
    if (!match) return;
    dialog.close();
    if (match.entry.id !== "search") remember(match.entry.id);
    match.entry.run();
  };

  /** Where nothing here fits, whoever types fast means somebody whom the server is about to tell. */
  const hurry = () => {
    if (pending && shown[active]?.entry.id === "search" && shown.length === 1) hurried = true;
    else take(active);
  };

  input.addEventListener("input", () => {
    show();
    point(0);
    askSoon();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return;
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) point((active + by + shown.length) % Math.max(1, shown.length));
    else if (event.key === "Enter") hurry();
    else if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) dialog.close();
    else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => {
    const item = /** @type {Element} */ (event.target).closest("li");
    if (item) take([...list.children].indexOf(item));
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    clearTimeout(pause);
    asking.abort();
    dialog.remove();
  });
  document.body.append(dialog);
  show();
  point(0);
  dialog.showModal();
}
