// The rest of a thread: older and newer messages come in place, what is far away goes, and a button
// leads to the end. The links among which this works lead to the same parts without scripts.
import { element } from "./lines.js";
import { adopt, leave, send } from "./reach.js";
import { count, say } from "./texts.js";
import * as times from "./times.js";

/** @typedef {import("./lines.js").Lines} Lines */

/** Lines that are kept in the page. */
const KEPT = 400;
/** Pixels from an end at which what comes after it is read. */
const NEAR = 400;

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);

/** Reads a page of ours; null when that cannot be. An XMLHttpRequest, because it parses a document by
 * itself: with `require-trusted-types-for` scripts may not, and need not.
 * @param {string} address @param {AbortSignal} signal @returns {Promise<Document | null>} */
export function readPage(address, signal) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const here = () => request.status === 200 && new URL(request.responseURL).pathname === location.pathname;
    request.addEventListener("loadend", () => resolve(here() ? request.responseXML : null));
    signal.addEventListener("abort", () => request.abort());
    request.open("GET", address);
    request.responseType = "document";
    send(request);
  });
}

export class History {
  /** How far the reader has come. */ #reached;
  /** Which end is being read. @type {Record<string, boolean>} */ #reading = {};

  /**
   * @param {{lines: Lines, read: number, newest: () => number, signal: AbortSignal, mend: () => void}} options
   * `read` is the read mark of the reader's side; `newest` gives the last seq that is known; `mend` is
   * called when the list ends with the newest message again */
  constructor({ lines, read, newest, signal, mend }) {
    this.lines = lines;
    this.newest = newest;
    this.signal = signal;
    this.mend = mend;
    this.#reached = read;
    lines.whole = !this.#link("newer");
    this.#begin();
    const log = lines.log;
    let frame = 0;
    log.addEventListener("scroll", () => (frame ||= requestAnimationFrame(() => ((frame = 0), this.#scrolled()))), { passive: true, signal });
    for (const end of ["older", "newer"]) {
      $(end).addEventListener("click", (/** @type {MouseEvent} */ event) => this.#clicked(event, () => this.#more(end, true)), { signal });
    }
    $("newest").addEventListener("click", (/** @type {MouseEvent} */ event) => this.#clicked(event, () => this.toNewest()), { signal });
    $("jump").addEventListener("click", () => this.toNewest(), { signal });
    log.addEventListener("keydown", (event) => this.#walk(event), { signal });
    this.#rove();
    this.update();
  }

  /** Where a thread opens: at the message that the address names, at the first unread one, or at the end. */
  #begin() {
    if (this.mark(location.hash)) return;
    const unread = this.lines.list.querySelector(".unread-mark");
    if (unread) this.#scrollTo(unread, 0.15);
    else if (this.lines.whole) this.lines.toEnd();
    this.#look();
  }

  /** Marks the message that a hash names, and shows it. Whether it is here. @param {string} hash */
  mark(hash) {
    const line = /^#m-\d+$/.test(hash) ? $(hash.slice(1)) : null;
    if (!line || !this.lines.list.contains(line)) return false;
    for (const marked of this.lines.list.querySelectorAll(".marked")) marked.classList.remove("marked");
    line.classList.add("marked");
    this.#scrollTo(line, 0.35);
    this.#look();
    return true;
  }

  /** @param {Element} line @param {number} share of the log's height that stays above it */
  #scrollTo(line, share) {
    const log = this.lines.log;
    log.scrollTop += line.getBoundingClientRect().top - log.getBoundingClientRect().top - share * log.clientHeight;
  }

  /** @param {string} end @returns {string} its address; empty when there is nothing more */
  #link(end) {
    const link = $(end);
    return link.parentElement.hidden ? "" : link.href;
  }

  /** @param {MouseEvent} event @param {() => void} act */
  #clicked(event, act) {
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    act();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.lines.log;
    if (scrollTop < NEAR) this.#more("older");
    if (scrollHeight - scrollTop - clientHeight < NEAR) this.#more("newer");
    this.#look();
    this.update();
  }

  /** Notes how far the reader has come. */
  #look() {
    const stored = this.#stored;
    const bottom = this.lines.log.getBoundingClientRect().bottom;
    const seen = stored.reverse().find((line) => line.getBoundingClientRect().top < bottom);
    this.#reached = Math.max(this.#reached, Number(seen?.dataset.seq ?? 0));
  }

  /** Shows the button that leads to the end, while the end is out of sight. */
  update() {
    if (this.lines.whole && this.lines.atEnd) this.#reached = Math.max(this.#reached, this.lines.last);
    const unseen = Math.max(0, this.newest() - this.#reached);
    const words = unseen ? count("{number} new message", "{number} new messages", unseen) : say("To the newest");
    $("jump").textContent = `↓ ${words}`;
    $("jump").hidden = this.lines.whole && this.lines.atEnd;
  }

  /** Shows the end of the thread; resolves once it is there. */
  async toNewest() {
    if (!this.lines.whole) await this.#renew();
    this.lines.toEnd();
    this.update();
  }

  /** Puts the newest part in the place of what is shown. */
  async #renew() {
    const page = await readPage($("newest").href, this.signal);
    if (this.signal.aborted) return;
    if (!page) return leave($("newest").href);
    this.#hush();
    this.lines.list.replaceChildren();
    for (const end of ["older", "newer"]) this.#take(end, page);
    this.lines.list.append(...linesOf(page));
    this.#settle();
  }

  /** Reads what comes before or after. @param {string} end @param {boolean} [asked] by a click */
  async #more(end, asked = false) {
    const address = this.#link(end);
    if (!address || this.#reading[end]) return;
    this.#reading[end] = true;
    const page = await readPage(address, this.signal);
    this.#reading[end] = false;
    if (this.signal.aborted) return;
    if (page) this.#add(end, page);
    else if (asked) leave(address);
  }

  /** @param {string} end @param {Document} page */
  #add(end, page) {
    const { list } = this.lines;
    const anchor = this.#anchor();
    this.#hush();
    this.#take(end, page);
    if (end === "older") {
      const first = list.firstElementChild;
      list.prepend(...linesOf(page));
      this.#join(first);
    } else {
      const after = list.lastElementChild;
      list.append(...linesOf(page));
      this.#join(after?.nextElementSibling ?? null);
    }
    this.#drop(end === "older" ? "newer" : "older");
    anchor();
    this.#settle();
  }

  /** What is read of the record is not read out as if it were new. */
  #hush() {
    this.lines.log.setAttribute("aria-live", "off");
    setTimeout(() => this.lines.log.setAttribute("aria-live", "polite"), 500);
  }

  /** The link at an end is that of another page. @param {string} end @param {Document} page */
  #take(end, page) {
    const [ours, theirs] = [$(end), page.getElementById(end)];
    ours.setAttribute("href", theirs?.getAttribute("href") ?? "");
    ours.parentElement.hidden = theirs?.parentElement?.hidden ?? true;
  }

  /** After a change of the list: whether it is whole, and what came while it was not. */
  #settle() {
    const whole = !this.#link("newer");
    const mended = whole && !this.lines.whole;
    this.lines.whole = whole;
    if (mended) this.mend();
    this.#rove();
    this.#look();
    this.update();
  }

  /** Keeps what the reader sees in its place: call it before a change, and what it returns after it. */
  #anchor() {
    const { log } = this.lines;
    const top = log.getBoundingClientRect().top;
    const stored = this.#stored;
    // The first line may lose its head when others come before it: the next one is what stays.
    const first = stored.findIndex((line) => line.getBoundingClientRect().bottom > top);
    const seen = stored[first + 1] ?? stored[first];
    const was = seen?.getBoundingClientRect().top ?? 0;
    return () => {
      if (seen?.isConnected) log.scrollTop += seen.getBoundingClientRect().top - was;
    };
  }

  /** Where two parts meet: one mark a day, and close lines together. @param {Element | null} mark the
   * first element of the later part, which is a mark of its day */
  #join(mark) {
    if (!mark?.classList.contains("day")) return;
    const line = nextLine(mark);
    const before = lastLine(mark);
    if (before && line && dayOf(before) === dayOf(line)) mark.remove();
    this.lines.stand(line);
  }

  /** Drops what is too far from the reader. @param {string} end the one that loses */
  #drop(end) {
    const stored = this.#stored;
    const over = stored.length - KEPT;
    if (over <= 0) return;
    const { list } = this.lines;
    if (end === "older") {
      const first = stored[over];
      while (list.firstElementChild && list.firstElementChild !== first) list.firstElementChild.remove();
      list.prepend(dayMark(first));
      this.lines.stand(first);
      this.#point("older", "antes", first);
    } else {
      const last = stored[KEPT - 1];
      while (last.nextElementSibling) last.nextElementSibling.remove();
      this.#point("newer", "despues", last);
      this.#point("newest", "ultimos");
    }
  }

  /** @param {string} end @param {string} field @param {HTMLElement} [line] */
  #point(end, field, line) {
    const address = new URL(location.href);
    for (const name of ["antes", "despues", "mensaje", "ultimos"]) address.searchParams.delete(name);
    address.searchParams.set(field, line?.dataset.seq ?? "1");
    address.hash = "";
    $(end).href = address.pathname + address.search;
    $(end).parentElement.hidden = false;
  }

  /** The lines of messages that are stored. @returns {HTMLElement[]} */
  get #stored() {
    return [...this.lines.list.querySelectorAll(/** @type {"li"} */ (".line[data-seq]"))];
  }

  /** Of the messages' own links one alone is a stop of the Tab key; arrows lead from one to the next. */
  #rove() {
    const links = this.lines.list.querySelectorAll(/** @type {"a"} */ ("a.at"));
    links.forEach((link, place) => (link.tabIndex = place === links.length - 1 ? 0 : -1));
  }

  /** @param {KeyboardEvent} event */
  #walk(event) {
    const link = /** @type {HTMLElement} */ (event.target).closest("a.at");
    if (!link || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    const links = [...this.lines.list.querySelectorAll(/** @type {"a"} */ ("a.at"))];
    const next = links[links.indexOf(/** @type {HTMLAnchorElement} */ (link)) + (event.key === "ArrowUp" ? -1 : 1)];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }
}

/** @param {Document} page */
const linesOf = (page) => [...(page.getElementById("lines")?.children ?? [])].map(adopt);

/** @param {HTMLElement} line */
const dayOf = (line) => times.dayKey(new Date(line.dataset.at ?? ""));

/** @param {HTMLElement} line */
const dayMark = (line) => element("li", "day", "", element("span", "", times.day(new Date(line.dataset.at ?? ""))));

/** @param {Element} from @returns {HTMLElement | null} */
function nextLine(from) {
  let one = from.nextElementSibling;
  while (one && !one.matches(".line")) one = one.nextElementSibling;
  return /** @type {HTMLElement | null} */ (one);
}

/** @param {Element} from @returns {HTMLElement | null} */
function lastLine(from) {
  let one = from.previousElementSibling;
  while (one && !one.matches(".line[data-seq]")) one = one.previousElementSibling;
  return /** @type {HTMLElement | null} */ (one);
}
