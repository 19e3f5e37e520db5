// The chat's connection, without any page: sends with acknowledgement, catches up, says what happened.
// docs/client.md tells how another page uses it.
//
//   const client = new ChatClient({ io, me: "eva", seen: { <conversation>: <seq> } });
//   client.on("message", (message) => show(message));
//   client.connect();
//   client.send({ para: "admin", mensaje: "hola" });
//
// Events (`detail`): `message` a message as in `mensaje_recibido`, each once and in order within its
// conversation · `outgoing` an Outgoing that is new or whose state changed, here or in another tab ·
// `removed` an Outgoing that is there no more: deleted, or sent by another tab (then `message` brings
// it) · `outbox` what waits or failed is another set now · `overtaken` {outgoing, messages} · `unsaved`
// an Outgoing that the browser's storage did not take: it lives no longer than the page · `erased`
// {conversacion, seq} · `read` {conversacion, seq, de} · `typing` {de, conversacion} · `presence`
// {user, conectado, desde} · `row` an inbox row · `action` as in `accion` · `connection` "online" | "offline" | "refused" ·
// `ended` {motivo}.

import { Outbox } from "./outbox.js";

/**
 * @typedef {{de: string, para: string, mensaje: string, id: string, conversacion: string,
 *            seq: number, fecha: string, borrado?: boolean, adjuntos?: FileOf[]}} Message
 * @typedef {import("./outbox.js").FileOf} FileOf
 * @typedef {import("./outbox.js").Entry} Entry
 * @typedef {Omit<Entry, "state"> & {state: "sending" | "sent" | "failed", seq?: number}} Outgoing
 * A message of ours, as of now; `seq` once it is sent.
 * @typedef {{message: Message, outgoing: Outgoing, removed: Outgoing, outbox: undefined,
 *            overtaken: {outgoing: Outgoing, messages: Message[]}, unsaved: Outgoing,
 *            erased: {conversacion: string, seq: number},
 *            read: {conversacion: string, seq: number, de: string},
 *            typing: {de: string, conversacion: string},
 *            action: Record<string, any>,
 *            presence: {user: string, conectado: boolean, desde: string}, row: Record<string, any>,
 *            connection: "online" | "offline" | "refused", ended: {motivo: string}}} Events
 * @typedef {{ok: boolean, error?: {codigo: string, mensajes?: Message[]}, [field: string]: any}} Answer
 * @typedef {{request(name: string, options: {signal: AbortSignal}, task: () => Promise<void>): Promise<unknown>}} Locks
 * @typedef {{postMessage(data: unknown): void, close(): void, onmessage: ((event: any) => void) | null}} Channel
 * @typedef {Record<string, unknown>} Auth
 */

const ACK_TIMEOUT = 8000;
/** Refusals after which the same message may be sent again by itself. While a session ends, its
 * socket is not heard (`no_autorizado`): the next connection is, or the user logs in again. */
const AGAIN = new Set(["no_disponible", "limite_superado", "no_autorizado"]);
/** @type {Answer} */
const UNANSWERED = { ok: false, error: { codigo: "no_disponible" } };
/** The longest time, in milliseconds, that a stopping server may ask us to stay away. */
const LONGEST_RESTART = 60_000;
/** Messages of conversations that are not followed, of which we remember that we told them. */
const REMEMBERED = 500;
/** Conversations that are followed at most; the one that was opened longest ago is let go. */
const FOLLOWED = 100;

const uuid = () => {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // pages without HTTPS have no randomUUID
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
};

/** @returns {Storage | undefined} */
const browserStorage = () => {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined; // the browser was told to keep nothing
  }
};

/** Growing pauses, in milliseconds; each somewhere in the upper half of what it may be, so that many
 * clients do not come back together. */
class Backoff {
  #tries = 0;

  /** @param {number} first @param {number} longest */
  constructor(first, longest) {
    this.first = first;
    this.longest = longest;
  }

  next() {
    return Math.min(this.longest, this.first * 2 ** this.#tries++) * (0.5 + Math.random() / 2);
  }

  reset() {
    this.#tries = 0;
  }
}

/** @param {number} milliseconds */
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export class ChatClient extends EventTarget {
  /** The last seq of each conversation that is followed. @type {Record<string, number>} */
  seen;
  /** @type {Outbox} */ #outbox;
  /** @type {Locks | null | undefined} */ #locks;
  /** @type {Channel | undefined} */ #channel;
  #name;
  #closing = new AbortController();
  #ended = false;
  /** How long a stopping server wants us to stay away. @type {number | null} */
  #restart = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #later;
  #connecting = new Backoff(1000, 15_000);

  #working = false;
  #sending = new Backoff(500, 15_000);
  /** The id of the message whose acknowledgement this tab awaits. @type {string | null} */
  #inFlight = null;

  /** @type {Promise<void> | null} */ #catchingUp = null;
  /** Whether something may have come since the news were asked for. */
  #behind = false;
  /** Messages that came before others which are missing. @type {Message[]} */
  #early = [];
  /** Conversations that are told as they come: catching up does not bring them. @type {Set<string>} */
  #unfollowed = new Set();
  /** @type {Set<string>} */ #told = new Set();
  /** The last seq that was read, of each conversation of which the server has not acknowledged that. @type {Map<string, number>} */
  #marks = new Map();
  /** How often the server was heard. */
  #heard = 0;

  /**
   * @param {{io: typeof import("socket.io-client").io, me: string, seen?: Record<string, number>,
   *          auth?: Auth | ((give: (auth: Auth) => void) => void), url?: string, options?: object,
   *          storage?: Storage | null, locks?: Locks | null, channel?: (new (name: string) => Channel) | null}} given
   * `io` is Socket.IO's; `me` is whom the page is made for: connecting as another user is refused;
   * `seen` has the last seq that the page shows, by conversation; `auth` and `url` are for pages of
   * another site; `options` are further ones of `io`. The rest is the browser's, unless it is given; null for none.
   */
  constructor({ io, me, seen = {}, auth, url, options, ...browser }) {
    super();
    const { storage = browserStorage(), locks = globalThis.navigator?.locks, channel = globalThis.BroadcastChannel } = browser;
    this.me = me;
    this.seen = { ...seen };
    this.#outbox = new Outbox(storage, me);
    this.#name = `registro:${JSON.stringify(me)}`;
    this.#locks = locks;
    this.socket = io(/** @type {string} */ (url), {
      reconnectionDelayMax: 5000, forceNew: true, ...options, autoConnect: false, auth: this.#auth(auth),
    });
    this.#listen();
    this.#listenToTabs(storage, channel);
  }

  /** @param {Auth | ((give: (auth: Auth) => void) => void) | undefined} auth */
  #auth(auth) {
    return (/** @type {(auth: Auth) => void} */ give) => {
      if (typeof auth === "function") auth((own) => give({ ...own, user: this.me }));
      else give({ ...auth, user: this.me });
    };
  }

  connect() {
    this.socket.connect();
  }

  /** Connects anew, with the cookie of now; also after the end of a session. */
  reconnect() {
    clearTimeout(this.#later);
    this.#ended = false;
    this.socket.disconnect().connect();
  }

  /** Ends the connection for good. What waits stays in the storage, for another tab or the next visit. */
  close() {
    clearTimeout(this.#later);
    this.#closing.abort();
    this.#channel?.close();
    this.socket.disconnect();
  }

  /** Listens to an event by its detail. @template {keyof Events} T
   * @param {T} type @param {(detail: Events[T]) => unknown} listener */
  on(type, listener) {
    this.addEventListener(type, (event) => listener(/** @type {CustomEvent} */ (event).detail));
  }

  // What we write

  /** Sends a message, as soon as that is possible and after those before it. It is kept until it is
   * acknowledged, refused or deleted.
   * @param {{para: string, mensaje: string, visto?: number, adjuntos?: FileOf[]}} message `adjuntos`
   * are answers to uploads @returns {Outgoing} */
  send({ para, mensaje, visto, adjuntos }) {
    const more = { ...(visto === undefined ? {} : { visto }), ...(adjuntos?.length ? { adjuntos } : {}) };
    return this.#put({ id: uuid(), para, mensaje, ...more, at: this.#outbox.place(), state: "sending" });
  }

  /** Tries a failed message again, under the same id and behind those that wait; an overtaken one
   * whatever it has not seen. @param {string} id */
  retry(id) {
    const entry = this.#outbox.get(id);
    if (entry?.state !== "failed") return;
    const { para, mensaje, adjuntos } = entry;
    this.#put({ id, para, mensaje, ...(adjuntos ? { adjuntos } : {}), at: this.#outbox.place(), state: "sending" });
  }

  /** Deletes a message that failed; one that is being sent may arrive all the same. @param {string} id */
  discard(id) {
    const entry = this.#outbox.remove(id);
    if (!entry) return;
    this.#changed();
    this.#tell("removed", entry);
  }

  /** What waits or failed, in order, whichever tab it was written in. @returns {Outgoing[]} */
  get outbox() {
    return this.#outbox.list;
  }

  /** Follows a conversation that the page shows up to a seq; what came since is told now.
   * @param {string} conversacion @param {number} seq */
  follow(conversacion, seq) {
    delete this.seen[conversacion];
    const [oldest, ...others] = Object.keys(this.seen);
    if (others.length + 1 >= FOLLOWED) delete this.seen[oldest];
    this.seen[conversacion] = seq;
    this.#unfollowed.delete(conversacion);
    this.#behind = true;
    if (this.socket.connected) this.#catchUp();
  }

  /** The number of messages that wait to be sent. */
  get pending() {
    return this.#outbox.list.filter((entry) => entry.state === "sending").length;
  }

  /** Says that a conversation is read up to a seq; again at every connect, until the server has it. Not
   * after that: it may have been marked as unread since.
   * @param {string} conversacion @param {number} seq */
  read(conversacion, seq) {
    if (seq <= (this.#marks.get(conversacion) ?? 0)) return;
    this.#marks.set(conversacion, seq);
    this.#sayRead(conversacion, seq);
  }

  /** Says that somebody is writing; false while nobody can be told. @param {string} para */
  typing(para) {
    if (this.socket.connected) this.socket.volatile.emit("escribiendo", { para });
    return this.socket.connected;
  }

  // The connection

  #listen() {
    const socket = this.socket;
    socket.onAny(() => this.#heard++);
    socket.on("connect", () => this.#connected());
    socket.on("disconnect", (reason) => this.#disconnected(reason));
    socket.on("connect_error", (error) => this.#refused(error));
    socket.on("mensaje_recibido", (message) => this.#arrived(message));
    socket.on("mensaje_enviado", (message) => this.#arrived(message));
    socket.on("mensaje_borrado", (what) => this.#tell("erased", what));
    socket.on("leido", (what) => this.#tell("read", what));
    socket.on("escribiendo", (what) => this.#tell("typing", what));
    socket.on("presencia", (what) => this.#tell("presence", what));
    socket.on("conversacion", (row) => this.#tell("row", row));
    socket.on("accion", (action) => this.#tell("action", action));
    socket.on("sesion_termina", ({ motivo, espera }) => {
      if (motivo === "reinicio") this.#restart = Math.min(LONGEST_RESTART, Math.max(0, Number(espera) || 0));
      // A token that ran out may have been renewed by another tab: connecting again finds out.
      else if (motivo !== "caducada") this.#end(motivo);
    });
    const { signal } = this.#closing;
    globalThis.addEventListener?.("online", () => this.#networkIsBack(), { signal });
  }

  #connected() {
    this.#connecting.reset();
    this.#restart = null;
    this.#tell("connection", "online");
    for (const [conversacion, seq] of this.#marks) this.#sayRead(conversacion, seq);
    this.#behind = true;
    // First the news: among them may be a message of ours whose acknowledgement was lost.
    this.#catchUp().then(() => this.#work());
  }

  /** @param {string} reason */
  #disconnected(reason) {
    this.#tell("connection", "offline");
    if (this.#closing.signal.aborted) return;
    if (this.#ended || this.#restart !== null) this.socket.disconnect(); // or the library comes back at once
    if (this.#ended) return;
    if (this.#restart !== null) this.#connectIn(this.#restart);
    else if (reason === "io server disconnect") {
      // After the server's own goodbye the library stays away, unless it is asked to come back.
      this.#connectIn(this.#connecting.next());
    }
  }

  /** @param {Error} error */
  #refused(error) {
    if (this.socket.active) return this.#tell("connection", "offline"); // the library tries again
    this.#tell("connection", "refused");
    if (error.message === "No disponible") this.#connectIn(this.#connecting.next());
    else this.#end(error.message);
  }

  /** @param {number} milliseconds */
  #connectIn(milliseconds) {
    clearTimeout(this.#later);
    this.#later = setTimeout(() => this.socket.connect(), milliseconds);
  }

  /** The library may be in a pause: it need not be waited for. */
  #networkIsBack() {
    if (!this.socket.connected && this.socket.active) this.reconnect();
  }

  /** @param {string} motivo */
  #end(motivo) {
    this.#ended = true;
    this.#tell("ended", { motivo });
  }

  /** Emits and awaits the answer; a connection that is away or silent counts as `no_disponible`.
   * @param {string} event @param {object} payload @returns {Promise<Answer>} */
  async #ask(event, payload) {
    if (!this.socket.connected) return UNANSWERED; // or the library would send it later, unasked
    const heard = this.#heard;
    try {
      const answer = await this.socket.timeout(ACK_TIMEOUT).emitWithAck(event, payload);
      this.#heard++;
      return answer;
    } catch {
      // A connection that died on the way without a word is noticed by its pings after 45 seconds only.
      if (this.socket.connected && heard === this.#heard) this.reconnect();
      return UNANSWERED;
    }
  }

  /** @param {string} conversacion @param {number} seq */
  async #sayRead(conversacion, seq) {
    const backoff = new Backoff(1000, 15_000);
    while (this.#marks.get(conversacion) === seq && this.socket.connected) {
      const answer = await this.#ask("leido", { conversacion, seq });
      if (answer.ok || !AGAIN.has(answer.error?.codigo ?? "")) {
        if (this.#marks.get(conversacion) === seq) this.#marks.delete(conversacion);
        return;
      }
      await pause(backoff.next());
    }
  }

  // What comes in

  /** @param {Message} message */
  #arrived(message) {
    const { conversacion, seq } = message;
    const last = this.seen[conversacion];
    if (seq === (last ?? 0) + 1) this.#accept(message);
    else if (last === undefined && this.#unfollowed.has(conversacion)) this.#pass(message);
    else if (last === undefined || seq > last) {
      this.#early.push(message);
      this.#catchUp();
    }
  }

  /** @param {Message} message */
  #accept(message) {
    this.seen[message.conversacion] = message.seq;
    this.#settle(message);
    this.#tell("message", message);
  }

  /** Tells a message of a conversation that is not followed. @param {Message} message */
  #pass(message) {
    if (this.#told.has(message.id)) return;
    this.#told.add(message.id);
    for (const id of this.#told) {
      if (this.#told.size <= REMEMBERED) break;
      this.#told.delete(id);
    }
    this.#settle(message);
    this.#tell("message", message);
  }

  /** To see a message of ours is as good as its acknowledgement. @param {Message} message */
  #settle(message) {
    if (message.de !== this.me || !this.#outbox.remove(message.id)) return;
    this.#changed(message);
  }

  /** Reads what came after the last messages that we have, until nothing is missing. */
  #catchUp() {
    return (this.#catchingUp ??= this.#readAll());
  }

  async #readAll() {
    const backoff = new Backoff(500, 15_000);
    do {
      this.#behind = false;
      if (!(await this.#readNews(backoff))) continue;
      this.#takeEarly();
      if (!this.#early.length) continue;
      await pause(backoff.next());
      this.#behind = true;
    } while (this.#behind && this.socket.connected);
    this.#catchingUp = null;
  }

  /** Reads on to the log's end; false if that could not be. @param {Backoff} backoff */
  async #readNews(backoff) {
    let cursor;
    while (this.socket.connected) {
      const page = await this.#ask("sincronizar", { vistos: this.seen, cursor });
      if (page.ok) {
        for (const message of page.mensajes) {
          if (message.seq === (this.seen[message.conversacion] ?? 0) + 1) this.#accept(message);
        }
        if (!page.mas) return true;
        cursor = page.cursor;
      } else if (AGAIN.has(page.error?.codigo ?? "") && this.socket.connected) {
        await pause(backoff.next());
      } else return false;
    }
    return false;
  }

  /** After the news: what came early is next now, or it is of a conversation that they leave out. */
  #takeEarly() {
    const early = this.#early;
    this.#early = [];
    for (const message of early) {
      if (this.seen[message.conversacion] === undefined) this.#unfollowed.add(message.conversacion);
      this.#arrived(message);
    }
  }

  // What goes out

  /** @param {Entry} entry @returns {Outgoing} */
  #put(entry) {
    const saved = this.#outbox.put(entry);
    this.#changed();
    this.#tell("outgoing", entry);
    if (!saved) this.#tell("unsaved", entry);
    this.#work();
    return entry;
  }

  /** Sends what waits, one by one: a message is not overtaken by the next. */
  async #work() {
    if (this.#working) return;
    this.#working = true;
    while (this.socket.connected && this.#outbox.next) await this.#alone(() => this.#sendNext());
    this.#working = false;
  }

  /** Runs a task while no other tab does. Without locks (old browsers, pages without HTTPS) tabs may
   * send the same message at the same time: the server stores it once, and the order holds, for each
   * tab awaits one message before the next. @param {() => Promise<void>} task */
  async #alone(task) {
    const { signal } = this.#closing;
    if (!this.#locks) return task();
    try {
      await this.#locks.request(`${this.#name}:outbox`, { signal }, task);
    } catch (error) {
      if (signal.aborted) return;
      this.#locks = undefined; // this page may not have any
    }
  }

  async #sendNext() {
    const entry = this.#outbox.next;
    if (!entry || !this.socket.connected) return;
    if (!this.#outbox.holds(entry)) return this.#refresh();
    const { id, para, mensaje, visto } = entry;
    const adjuntos = entry.adjuntos?.map((file) => file.id);
    this.#inFlight = id;
    const answer = await this.#ask("mensaje_privado", { id, para, mensaje, visto, adjuntos });
    this.#inFlight = null;
    if (!answer.ok && !this.#outbox.get(id)) return this.#tell("removed", entry); // deleted meanwhile
    if (answer.ok) this.#sent(entry, answer);
    else if (!AGAIN.has(answer.error?.codigo ?? "")) this.#failed(entry, answer);
    else if (this.socket.connected) return pause(this.#sending.next());
    this.#sending.reset();
  }

  /** @param {Entry} entry @param {Answer} answer */
  #sent(entry, answer) {
    const { id, para, mensaje, adjuntos } = entry;
    const { conversacion, seq, fecha } = answer;
    const message = { de: this.me, para, mensaje, id, conversacion, seq, fecha, ...(adjuntos ? { adjuntos } : {}) };
    this.#outbox.remove(id);
    this.#changed(message);
    this.#tell("outgoing", { ...entry, state: "sent", seq });
    this.#arrived(message);
  }

  /** @param {Entry} entry @param {Answer} answer */
  #failed({ id, para, mensaje, adjuntos, at }, answer) {
    const codigo = answer.error?.codigo;
    const messages = answer.error?.mensajes ?? [];
    for (const message of messages) this.#arrived(message);
    const failed = this.#put({ id, para, mensaje, ...(adjuntos ? { adjuntos } : {}), at, state: "failed", codigo });
    if (codigo === "hay_novedades") this.#tell("overtaken", { outgoing: failed, messages });
  }

  // Other tabs

  /** Two ways to hear of the same changes: the storage's own event comes when they can be read, the
   * channel also where the storage is none of the browser's, and it brings what became of a message.
   * @param {Storage | null | undefined} storage @param {(new (name: string) => Channel) | null | undefined} channel */
  #listenToTabs(storage, channel) {
    const { signal } = this.#closing;
    const changed = (/** @type {StorageEvent} */ { storageArea, key }) => {
      if (storageArea === storage && this.#outbox.owns(key)) this.#refresh();
    };
    globalThis.addEventListener?.("storage", changed, { signal });
    if (!channel) return;
    this.#channel = new channel(this.#name);
    this.#channel.onmessage = ({ data }) => {
      if (data.sent) this.#arrived(data.sent);
      this.#refresh();
    };
  }

  /** The outbox has changed here. @param {Message} [sent] the message that was found to be stored */
  #changed(sent) {
    if (!this.#closing.signal.aborted) this.#channel?.postMessage({ sent });
    this.#tell("outbox", undefined);
  }

  /** The outbox has changed in another tab. */
  #refresh() {
    const { changed, gone } = this.#outbox.refresh();
    for (const entry of changed) this.#tell("outgoing", entry);
    for (const entry of gone) if (entry.id !== this.#inFlight) this.#tell("removed", entry);
    if (changed.length || gone.length) this.#tell("outbox", undefined);
    this.#work();
  }

  /** @template {keyof Events} T @param {T} type @param {Events[T]} detail */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
