// Messages as lines of a thread: the same elements as templates/thread.html.
import { filesOf } from "./attachments.js";
import { say } from "./texts.js";
import * as times from "./times.js";

/**
 * @typedef {import("./chat-client.js").Message} Message
 * @typedef {import("./chat-client.js").Outgoing} Outgoing
 */

const TOGETHER = 5 * 60 * 1000;
const TONES = 8;

/** An element with a class, text and children.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {string} className @param {string} text @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[T]} */
export function element(tag, className = "", text = "", ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

const table = Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n >>> 0;
});

/** The colour of somebody's picture; CRC-32 of the name, as the server counts it. @param {string} user */
export function tone(user) {
  let crc = ~0;
  for (const byte of new TextEncoder().encode(user)) crc = table[(crc ^ byte) & 255] ^ (crc >>> 8);
  return `tone-${(~crc >>> 0) % TONES}`;
}

/** Up to two letters that stand for a name. @param {string} name */
export function initials(name) {
  const words = name.split(/\s+/u).filter((word) => /^[\p{L}\p{N}]/u.test(word));
  return (words.length ? words.slice(0, 2) : [name]).map((word) => [...word][0] ?? "").join("").toUpperCase();
}

/** @type {Record<string, () => string>} */
const STATES = { sending: () => say("Sending…"), sent: () => say("Sent"), read: () => say("Read") };
/** @type {Record<string, () => string>} */
const REASONS = {
  mensaje_vacio: () => say("The message is empty."),
  mensaje_largo: () => say("The message is too long: 4,000 characters fit."),
  destinatario_desconocido: () => say("There is no such user."),
  adjunto_desconocido: () => say("A file is not there any more: attach it again."),
  hay_novedades: () => say("Not sent: new messages came in before it."),
};

/** What is wrong, by its `codigo`. @param {string} [codigo] */
const reason = (codigo = "") => (REASONS[codigo] ?? (() => say("It could not be sent.")))();

/** A message that has no seq yet is one that waits or failed. */
const PENDING = ".line:not([data-seq])";

/** The thread's list of messages. */
export class Lines {
  /** @param {{list: HTMLElement, log: HTMLElement, empty: HTMLElement, ours: (user: string) => boolean,
   *           names: Record<string, string>, retry: (id: string) => void, discard: (id: string) => void,
   *           rest: () => HTMLElement, place?: (seq: number) => string}} options
   * `rest` is where the focus goes when its line is gone; `place` gives a message's own address */
  constructor({ list, log, empty, ours, names, retry, discard, rest, place }) {
    this.list = list;
    this.log = log;
    this.empty = empty;
    this.ours = ours;
    this.names = names;
    this.retry = retry;
    this.discard = discard;
    this.rest = rest;
    this.place = place;
    /** Whether the list ends with the newest message; if not, what comes is not shown in it. */
    this.whole = true;
    this.#toTarget() || this.toEnd();
    this.#stayAtEnd();
  }

  /** Shows the message that the page's address names; whether there is one. */
  #toTarget() {
    const target = this.list.querySelector(":target");
    target?.scrollIntoView({ block: "center" });
    return Boolean(target);
  }

  /** Who sees the end goes on seeing it when notices or a keyboard take room away. */
  #stayAtEnd() {
    let atEnd = this.atEnd;
    this.log.addEventListener("scroll", () => (atEnd = this.atEnd), { passive: true });
    new ResizeObserver(() => atEnd && this.toEnd()).observe(this.log);
  }

  /** The seq of the last message; 0 without one. */
  get last() {
    return Number(this.#stored.at(-1)?.dataset.seq ?? 0);
  }

  /** Whether the end of the thread is in view. */
  get atEnd() {
    return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 120;
  }

  toEnd() {
    this.log.scrollTop = this.log.scrollHeight;
  }

  /** Adds a message at the end, or makes the line of it that waits the line of a sent one.
   * @param {Message} message */
  add(message) {
    if (!this.whole || this.list.querySelector(`[data-seq="${message.seq}"]`)) return;
    const near = this.atEnd;
    const known = this.#pending(message.id);
    const line = known ?? this.#line(message);
    if (known) this.#sent(known, message);
    const first = /** @type {HTMLElement | null} */ (this.list.querySelector(PENDING));
    const before = first === line ? first.nextElementSibling : first;
    this.#dayMark(message, first);
    if (!known || before !== line.nextElementSibling) this.list.insertBefore(line, before);
    this.stand(line);
    this.stand(line.nextElementSibling);
    this.empty.hidden = true;
    if (near || this.ours(message.de)) this.toEnd();
  }

  /** Shows a message that is not stored yet, or what became of it.
   * @param {Outgoing} outgoing @param {string} me */
  outgoing(outgoing, me) {
    // As a message of the record it is shown already, or will be when it comes in its turn.
    if (!this.whole || outgoing.state === "sent" || this.#byId(outgoing.id)?.dataset.seq) return;
    const known = this.#pending(outgoing.id);
    const line = known ?? this.#line({ ...outgoing, de: me, fecha: new Date(outgoing.at).toISOString() });
    this.#keepFocus(() => {
      line.querySelector(".state")?.replaceWith(this.#state(outgoing));
      // A message that is tried again goes behind those that wait.
      if (line.dataset.place !== String(outgoing.at)) this.list.append(line);
      line.dataset.place = String(outgoing.at);
    });
    this.stand(line);
    this.empty.hidden = true;
    if (!known) this.toEnd();
  }

  /** @param {string} id */
  remove(id) {
    const line = this.#pending(id);
    const next = line?.nextElementSibling;
    this.#keepFocus(() => line?.remove());
    if (next) this.stand(next);
    this.empty.hidden = this.list.childElementCount > 0;
  }

  /** The other side has read up to a seq. @param {number} seq */
  read(seq) {
    for (const line of this.#stored) {
      if (line.classList.contains("ours") && Number(line.dataset.seq) <= seq) this.#show(line, "read");
    }
  }

  /** @param {number} seq */
  erase(seq) {
    const line = this.list.querySelector(`[data-seq="${seq}"]`);
    const text = line?.querySelector(".text");
    if (!line || !text) return;
    line.classList.add("erased");
    line.querySelector(".files")?.remove();
    text.textContent = say("This message was erased.");
  }

  /** The lines of messages that are stored. @returns {HTMLElement[]} */
  get #stored() {
    return [...this.list.querySelectorAll(/** @type {"li"} */ (".line[data-seq]"))];
  }

  /** @param {string} id @returns {HTMLElement | null} */
  #byId(id) {
    return this.list.querySelector(`[data-id="${CSS.escape(id)}"]`);
  }

  /** @param {string} id */
  #pending(id) {
    const line = this.#byId(id);
    return line?.dataset.seq ? null : line;
  }

  /** Changes the list; if that takes the element away that had the focus, the next message that
   * failed gets it, or else where one writes. @param {() => void} change */
  #keepFocus(change) {
    const had = this.list.contains(document.activeElement);
    change();
    if (!had || this.list.contains(document.activeElement)) return;
    const next = /** @type {HTMLElement | null} */ (this.list.querySelector(`${PENDING} button`));
    (next ?? this.rest()).focus();
  }

  /** A line that was being sent is that of a message in the record now.
   * @param {HTMLElement} line @param {Message} message */
  #sent(line, message) {
    const date = new Date(message.fecha);
    Object.assign(line.dataset, { seq: String(message.seq), at: message.fecha });
    line.id = `m-${message.seq}`;
    const at = line.querySelector("time");
    if (at) Object.assign(at, { textContent: times.time(date), dateTime: message.fecha, title: times.full(date) });
    at?.replaceWith(this.#linked(at, message.seq));
    this.#keepFocus(() => this.#show(line, "sent"));
  }

  /** @param {HTMLElement} line @param {string} state */
  #show(line, state) {
    const shown = /** @type {HTMLElement | null} */ (line.querySelector(".state"));
    if (!shown) return;
    shown.dataset.state = state;
    shown.textContent = STATES[state]();
  }

  /** @param {Message} message @param {Node | null} before */
  #dayMark(message, before) {
    const date = new Date(message.fecha);
    const last = this.#stored.filter((line) => line.dataset.seq !== String(message.seq)).at(-1);
    if (last && times.dayKey(new Date(last.dataset.at ?? "")) === times.dayKey(date)) return;
    this.list.insertBefore(element("li", "day", "", element("span", "", times.day(date))), before);
  }

  /** Puts a line together with the one before it, or apart from it. @param {Element | null} line */
  stand(line) {
    if (!(line instanceof HTMLElement) || !line.classList.contains("line")) return;
    const before = /** @type {HTMLElement | null} */ (line.previousElementSibling);
    const follows =
      before?.classList.contains("line") && before.dataset.user === line.dataset.user &&
      Date.parse(line.dataset.at ?? "") - Date.parse(before.dataset.at ?? "") < TOGETHER;
    line.classList.toggle("follows", Boolean(follows));
  }

  /** @param {Omit<Message, "conversacion" | "seq"> & {seq?: number}} message */
  #line(message) {
    const ours = this.ours(message.de);
    const name = this.names[message.de] ?? message.de;
    const date = new Date(message.fecha);
    const line = element("li", `line ${ours ? "ours" : "theirs"}`);
    Object.assign(line.dataset, { user: message.de, at: message.fecha, id: message.id });
    if (message.seq) {
      line.dataset.seq = String(message.seq);
      line.id = `m-${message.seq}`;
    }
    const avatar = element("span", `avatar ${tone(message.de)}`, initials(name));
    avatar.setAttribute("aria-hidden", "true");
    const at = element("time", "", times.time(date));
    at.dateTime = message.fecha;
    at.title = times.full(date);
    const when = message.seq ? this.#linked(at, message.seq) : at;
    const meta = element("p", "meta", "", element("b", "who", "", element("bdi", "", name)), " ", when);
    const text = element("p", "text", message.borrado ? say("This message was erased.") : message.mensaje);
    text.dir = "auto";
    text.id = `t-${message.id}`;
    if (message.borrado) line.classList.add("erased");
    const said = element("div", "said", "", meta, text);
    if (message.adjuntos?.length) said.append(filesOf(message.adjuntos));
    if (ours) said.append(element("p", "state"));
    line.append(avatar, said);
    if (ours) this.#show(line, "sent");
    return line;
  }

  /** A message's time, which leads to it. @param {HTMLTimeElement} time @param {number} seq */
  #linked(time, seq) {
    if (!this.place) return time;
    const link = element("a", "at", "", time.cloneNode(true));
    link.href = `${this.place(seq)}#m-${seq}`;
    link.tabIndex = -1;
    return link;
  }

  /** @param {Outgoing} outgoing */
  #state({ id, state, codigo }) {
    const shown = element("p", "state", STATES[state]?.() ?? reason(codigo));
    shown.dataset.state = state;
    if (state !== "failed") return shown;
    const again = this.#button(say("Send again"), id, () => this.retry(id));
    const away = this.#button(say("Delete"), id, () => this.discard(id));
    shown.append(" ", again, " ", away);
    return shown;
  }

  /** @param {string} words @param {string} id @param {() => void} act */
  #button(words, id, act) {
    const button = element("button", "link", words);
    button.type = "button";
    button.setAttribute("aria-describedby", `t-${id}`);
    button.addEventListener("click", act);
    return button;
  }
}
