// Messages as lines of a thread: the same elements as templates/thread.html.
import { say } from "./texts.js";
import * as times from "./times.js";

const TOGETHER = 5 * 60 * 1000;
const TONES = 8;

/** An element with a class, text and children. */
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

/** The colour of somebody's picture; CRC-32 of the name, as the server counts it. */
export function tone(user) {
  let crc = ~0;
  for (const byte of new TextEncoder().encode(user)) crc = table[(crc ^ byte) & 255] ^ (crc >>> 8);
  return `tone-${(~crc >>> 0) % TONES}`;
}

/** Up to two letters that stand for a name. */
export function initials(name) {
  const words = name.split(/\s+/u).filter((word) => /^[\p{L}\p{N}]/u.test(word));
  return (words.length ? words.slice(0, 2) : [name]).map((word) => [...word][0] ?? "").join("").toUpperCase();
}

const STATES = { sending: () => say("Sending…"), sent: () => say("Sent"), read: () => say("Read") };
const REASONS = {
  mensaje_vacio: () => say("The message is empty."),
  mensaje_largo: () => say("The message is too long: 4,000 characters fit."),
  no_autorizado: () => say("You have no permission to do that."),
};

/** What is wrong, by its `codigo`. */
export const reason = (codigo) => (REASONS[codigo] ?? (() => say("It could not be sent.")))();

/** The thread's list of messages. */
export class Lines {
  /** @param {{list: HTMLElement, log: HTMLElement, empty: HTMLElement, ours: (user: string) => boolean,
   *           names: Record<string, string>, retry: (id: string) => void, discard: (id: string) => void}} options */
  constructor(options) {
    Object.assign(this, options);
    this.toEnd();
  }

  /** The seq of the last message; 0 without one. */
  get last() {
    const lines = this.list.querySelectorAll(".line[data-seq]");
    return lines.length ? Number(lines[lines.length - 1].dataset.seq) : 0;
  }

  /** Whether the end of the thread is in view. */
  get atEnd() {
    return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 120;
  }

  toEnd() {
    this.log.scrollTop = this.log.scrollHeight;
  }

  /** Adds a message at the end, or puts it in the place of the one that was being sent. */
  add(message) {
    const waiting = this.#byId(message.id);
    if (this.list.querySelector(`[data-seq="${message.seq}"]`)) return;
    const near = this.atEnd;
    waiting?.remove(); // before the line is made: it would follow itself
    const line = this.#line(message, "sent");
    const before = this.list.querySelector(".line:not([data-seq])");
    this.#dayMark(message, before);
    this.list.insertBefore(line, before);
    this.empty.hidden = true;
    if (near || this.ours(message.de)) this.toEnd();
  }

  /** Shows a message that is not stored yet, or what became of it. */
  outgoing(outgoing, me) {
    if (outgoing.state === "sent") return;
    const message = { ...outgoing, de: me, fecha: new Date().toISOString() };
    const known = this.#byId(outgoing.id);
    const line = this.#line(message, outgoing.state);
    line.dataset.id = outgoing.id;
    if (known) known.replaceWith(line);
    else this.list.append(line);
    this.empty.hidden = true;
    this.toEnd();
  }

  remove(id) {
    this.#byId(id)?.remove();
  }

  /** The other side has read up to a seq. */
  read(seq) {
    for (const line of this.list.querySelectorAll(".line.ours[data-seq]")) {
      const state = line.querySelector(".state");
      if (state && Number(line.dataset.seq) <= seq) {
        state.dataset.state = "read";
        state.textContent = STATES.read();
      }
    }
  }

  erase(seq) {
    const line = this.list.querySelector(`[data-seq="${seq}"]`);
    if (!line) return;
    line.classList.add("erased");
    line.querySelector(".text").textContent = say("This message was erased.");
  }

  #byId(id) {
    return this.list.querySelector(`[data-id="${CSS.escape(id)}"]`);
  }

  #dayMark(message, before) {
    const date = new Date(message.fecha);
    const lines = [...this.list.querySelectorAll(".line[data-seq]")];
    const last = lines.at(-1);
    if (last && times.dayKey(new Date(last.dataset.at)) === times.dayKey(date)) return;
    this.list.insertBefore(element("li", "day", "", element("span", "", times.day(date))), before);
  }

  #follows(message) {
    const last = this.list.lastElementChild;
    return (
      last?.classList.contains("line") && last.dataset.user === message.de &&
      new Date(message.fecha) - new Date(last.dataset.at) < TOGETHER
    );
  }

  #line(message, state) {
    const ours = this.ours(message.de);
    const name = this.names[message.de] ?? message.de;
    const date = new Date(message.fecha);
    const line = element("li", `line ${ours ? "ours" : "theirs"}`);
    if (this.#follows(message)) line.classList.add("follows");
    Object.assign(line.dataset, { user: message.de, at: message.fecha });
    if (message.seq) {
      line.dataset.seq = String(message.seq);
      line.id = `m-${message.seq}`;
    }
    const avatar = element("span", `avatar ${tone(message.de)}`, initials(name));
    avatar.setAttribute("aria-hidden", "true");
    const at = element("time", "", times.time(date));
    at.dateTime = message.fecha;
    at.title = times.full(date);
    const meta = element("p", "meta", "", element("b", "who", "", element("bdi", "", name)), " ", at);
    const text = element("p", "text", message.borrado ? say("This message was erased.") : message.mensaje);
    text.dir = "auto";
    if (message.borrado) line.classList.add("erased");
    const said = element("div", "said", "", meta, text);
    if (ours) said.append(this.#state(message, state));
    line.append(avatar, said);
    return line;
  }

  #state(message, state) {
    const shown = element("p", "state", STATES[state]?.() ?? reason(message.codigo));
    shown.dataset.state = state;
    if (state === "failed") {
      const again = element("button", "", say("Send again"));
      const away = element("button", "", say("Delete"));
      again.type = away.type = "button";
      again.addEventListener("click", () => this.retry(message.id));
      away.addEventListener("click", () => this.discard(message.id));
      shown.append(" ", again, " ", away);
    }
    return shown;
  }
}
