// Opens addresses of the inbox without loading the page anew: the same page is fetched as a plain link
// would bring it, and its parts take the places of those that are shown.
import { readPage } from "./history.js";

/** Milliseconds that an address may take, before the browser is left to load it as ever. */
const PATIENCE = 15_000;
/** Parts of an address that say which thread is open, and where; the rest says which list. */
const THREAD = ["con", "antes", "despues", "mensaje", "ultimos"];

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);

/** The two parts of an address. @param {URL} url */
function partsOf(url) {
  const [list, thread] = [new URLSearchParams(url.search), new URLSearchParams()];
  for (const name of THREAD) {
    const value = list.get(name);
    if (value !== null) thread.set(name, value);
    list.delete(name);
  }
  list.sort();
  return { list: String(list), thread: String(thread) };
}

/** Takes over the links within the inbox, and Back and Forward.
 * @param {{drawn: (what: {list: boolean, thread: boolean}) => void, mark: (hash: string) => boolean}} page
 * `drawn` is called when other parts are in place; `mark` shows the message that a hash names
 * @returns {(address: string) => void} goes to an address */
export function takeLinks({ drawn, mark }) {
  let shown = new URL(location.href);
  let leaving = new AbortController();

  /** @param {URL} url @param {"push" | "pop"} how @param {number} [scroll] of the list */
  async function visit(url, how, scroll) {
    leaving.abort();
    const { signal } = (leaving = new AbortController());
    const [was, is] = [partsOf(shown), partsOf(url)];
    const same = was.list === is.list && was.thread === is.thread;
    if (same) return arrive(url, how, false);
    // Of a message that is here already nothing has to be fetched.
    const con = new URLSearchParams(was.thread).get("con") === new URLSearchParams(is.thread).get("con");
    if (con && was.list === is.list && url.hash && mark(url.hash)) return arrive(url, how, false);
    point(url);
    const patience = setTimeout(() => leaving.abort("late"), PATIENCE);
    const next = await readPage(url.href, signal);
    clearTimeout(patience);
    if (signal.aborted && signal.reason !== "late") return; // a later one has won
    if (!next?.getElementById("thread")) {
      if (how === "push") location.assign(url);
      else location.reload();
      return;
    }
    arrive(url, how, true);
    swap(next, was.list !== is.list, was.thread !== is.thread, scroll);
  }

  /** The address is that of what is shown. @param {URL} url @param {"push" | "pop"} how @param {boolean} changed */
  function arrive(url, how, changed) {
    if (how === "push" && url.href !== location.href) {
      history.replaceState({ list: scrollOfList() }, "");
      history.pushState(null, "", url);
    }
    shown = url;
    if (!changed) {
      point(url);
      mark(url.hash);
    }
  }

  /** @param {Document} next @param {boolean} list @param {boolean} thread @param {number} [scroll] */
  function swap(next, list, thread, scroll) {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    const before = { href: focused?.getAttribute("href"), open: $("data").dataset.user };
    document.title = next.title;
    for (const id of list ? ["filters", "views", "rows", "list-end"] : ["filters", "views"]) take(id, next);
    for (const id of ["data", "list-title"]) $(id).replaceWith(document.adoptNode(next.getElementById(id) ?? $(id)));
    document.querySelector(".languages")?.replaceWith(next.querySelector(".languages") ?? "");
    if (thread) for (const id of ["thread", "side"]) replace(id, next);
    else $("thread").querySelector(".back")?.setAttribute("href", next.querySelector("#thread .back")?.getAttribute("href") ?? "/soporte");
    $("main").className = next.getElementById("main")?.className ?? "";
    if (list) document.querySelector(".list")?.scrollTo(0, scroll ?? 0);
    point(shown);
    drawn({ list, thread });
    focus(thread, before);
    document.dispatchEvent(new CustomEvent("registro:opened", { detail: { list, thread } }));
  }

  document.addEventListener("click", (event) => {
    const link = /** @type {Element} */ (event.target).closest?.("a[href]");
    if (!(link instanceof HTMLAnchorElement) || event.defaultPrevented || link.target) return;
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || url.pathname !== location.pathname) return;
    if (url.hash && !/^#m-\d+$/.test(url.hash)) return; // a place within the page
    event.preventDefault();
    if (link.id === "more") more(url);
    else visit(url, "push");
  });
  window.addEventListener("popstate", (event) => visit(new URL(location.href), "pop", event.state?.list));

  /** Adds the next rows to the list. @param {URL} url */
  async function more(url) {
    const next = await readPage(url.href, leaving.signal);
    if (!next) return leaving.signal.aborted ? undefined : location.assign(url);
    const rows = [...(next.getElementById("rows")?.children ?? [])];
    const known = new Set([...$("rows").children].map((row) => row.dataset.user));
    const fresh = rows.filter((row) => !known.has(/** @type {HTMLElement} */ (row).dataset.user));
    $("rows").append(...fresh);
    take("list-end", next);
    drawn({ list: true, thread: false });
    fresh[0]?.querySelector("a")?.focus();
  }

  return (address) => visit(new URL(address, location.href), "push");
}

const scrollOfList = () => document.querySelector(".list")?.scrollTop ?? 0;

/** What is in an element is that of the same element of another page. @param {string} id @param {Document} next */
function take(id, next) {
  $(id)?.replaceChildren(...(next.getElementById(id)?.childNodes ?? []));
}

/** An element is that of another page, which may have none. @param {string} id @param {Document} next */
function replace(id, next) {
  const [old, fresh] = [$(id), next.getElementById(id)];
  if (old && fresh) old.replaceWith(fresh);
  else if (fresh) $("thread").after(fresh);
  else old?.remove();
}

/** The row of the open thread is the current one. @param {URL} url */
function point(url) {
  const con = url.searchParams.get("con");
  for (const row of $("rows").children) {
    const link = row.querySelector("a");
    if (row.dataset.user === con) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

/** The focus goes to what has changed: the thread's heading; where there is none on the screen, the row
 * that one came from; after a filter, that filter.
 * @param {boolean} thread @param {{href?: string | null, open?: string}} before */
function focus(thread, before) {
  const now = $("data").dataset.user;
  const row = () => document.querySelector(`.row[data-user="${CSS.escape(before.open ?? "")}"] a`);
  const filter = () => before.href && document.querySelector(`.list nav a[href="${CSS.escape(before.href)}"]`);
  const place = thread ? (now ? $("thread-title") : row() ?? $("list-title")) : filter() || $("list-title");
  if (place.matches("h1, h2")) place.tabIndex = -1;
  place.focus({ preventScroll: place.matches("h1, h2") });
}
