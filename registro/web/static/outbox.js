// What one user has written and the server has not acknowledged, in the browser's storage. Every
// message has a key of its own, so that two tabs never write over each other's.

/**
 * A file that was uploaded, as the server answered it.
 * @typedef {{id: string, nombre: string, tipo: string, bytes: number, url: string, ancho?: number, alto?: number}} FileOf
 */

/**
 * A message on its way. `at` (milliseconds since 1970, each once) is its place in the order;
 * `codigo` says why it failed, with one of the contract's codes.
 * @typedef {{id: string, para: string, mensaje: string, visto?: number, at: number,
 *            state: "sending" | "failed", codigo?: string, adjuntos?: FileOf[]}} Entry
 */

/** Where all that belongs to one user begins. @param {string} me */
const prefixOf = (me) => `registro:${JSON.stringify(me)}:`;

/** The key of something that is kept for one user. @param {string} me @param {string} kind @param {string} name */
export const keyOf = (me, kind, name) => `${prefixOf(me)}${kind}:${name}`;

/** The keys that begin with a text. @param {Storage} storage @param {string} start */
function keysFrom(storage, start) {
  const all = Array.from({ length: storage.length }, (_, place) => storage.key(place) ?? "");
  return all.filter((key) => key.startsWith(start));
}

/** What is kept for a user: messages that wait or failed, and drafts. @param {Storage} storage @param {string} me */
export const keptFor = (storage, me) => keysFrom(storage, prefixOf(me));

/** Deletes all that. @param {Storage} storage @param {string} me */
export function forget(storage, me) {
  for (const key of keptFor(storage, me)) storage.removeItem(key);
}

/** Whether something that was kept is a list of files. @param {any} value */
export const isFiles = (value) =>
  Array.isArray(value) && value.every((file) => [file?.id, file?.nombre, file?.url].every((field) => typeof field === "string"));

/** @param {string | null} text @returns {Entry | undefined} undefined for what is no entry */
function parse(text) {
  try {
    const entry = JSON.parse(text ?? "null");
    const { id, para, mensaje, at, state } = entry;
    if (entry.adjuntos !== undefined && !isFiles(entry.adjuntos)) return undefined;
    const fits = [id, para, mensaje].every((field) => typeof field === "string") && Number.isFinite(at);
    return fits && (state === "sending" || state === "failed") ? entry : undefined;
  } catch {
    return undefined;
  }
}

/** @param {Entry} one @param {Entry} other */
const byOrder = (one, other) => one.at - other.at || (one.id < other.id ? -1 : 1);

/** @param {Entry} one @param {Entry | undefined} other */
const same = (one, other) => one.at === other?.at && one.state === other.state && one.codigo === other.codigo;

export class Outbox {
  /** @type {Storage | null | undefined} */ #storage;
  #prefix;
  /** The entries as this tab knows them. @type {Map<string, Entry>} */
  #entries = new Map();
  /** Ids of entries that the storage did not take: they live in this tab alone. @type {Set<string>} */
  #unsaved = new Set();
  #latest = 0;

  /** @param {Storage | null | undefined} storage none: everything lives in this tab @param {string} me */
  constructor(storage, me) {
    this.#storage = storage;
    this.#prefix = keyOf(me, "outbox", "");
    this.refresh();
  }

  /** Whether a change of this key in the storage concerns us; null stands for all keys. @param {string | null} key */
  owns(key) {
    return key === null || key.startsWith(this.#prefix);
  }

  /** All entries, in order. */
  get list() {
    return [...this.#entries.values()].sort(byOrder);
  }

  /** The entry that is to be sent next. @returns {Entry | undefined} */
  get next() {
    return this.list.find((entry) => entry.state === "sending");
  }

  /** @param {string} id */
  get(id) {
    return this.#entries.get(id);
  }

  /** A place in the order behind all others. */
  place() {
    const last = Math.max(this.#latest, ...[...this.#entries.values()].map((entry) => entry.at));
    return (this.#latest = Math.max(Date.now(), last + 1));
  }

  /** Keeps an entry, or a new state of it. @param {Entry} entry @returns whether the storage took it */
  put(entry) {
    this.#entries.set(entry.id, entry);
    try {
      if (!this.#storage) throw new Error("there is no storage");
      this.#storage.setItem(this.#prefix + entry.id, JSON.stringify(entry));
      this.#unsaved.delete(entry.id);
      return true;
    } catch {
      this.#unsaved.add(entry.id); // full, or forbidden
      return false;
    }
  }

  /** @param {string} id @returns {Entry | undefined} what was there */
  remove(id) {
    const entry = this.#entries.get(id);
    this.#entries.delete(id);
    this.#unsaved.delete(id);
    try {
      this.#storage?.removeItem(this.#prefix + id);
    } catch {
      // What could not be kept need not be removed.
    }
    return entry;
  }

  /** Whether an entry is still as this tab knows it: another tab may have changed it just now. @param {Entry} entry */
  holds(entry) {
    try {
      return this.#unsaved.has(entry.id) || same(entry, this.#read(entry.id));
    } catch {
      return true; // nobody else can have changed it either
    }
  }

  /** Takes over what other tabs have changed. @returns {{changed: Entry[], gone: Entry[]}} */
  refresh() {
    const stored = this.#stored();
    const changed = stored.filter((entry) => !this.#unsaved.has(entry.id) && !same(entry, this.get(entry.id)));
    const ids = new Set(stored.map((entry) => entry.id));
    const gone = this.list.filter((entry) => !ids.has(entry.id) && !this.#unsaved.has(entry.id));
    for (const entry of changed) this.#entries.set(entry.id, entry);
    for (const entry of gone) this.#entries.delete(entry.id);
    return { changed: changed.sort(byOrder), gone };
  }

  /** @returns {Entry[]} */
  #stored() {
    try {
      const keys = this.#storage ? keysFrom(this.#storage, this.#prefix) : [];
      return keys.flatMap((key) => this.#read(key.slice(this.#prefix.length)) ?? []);
    } catch {
      return this.list; // cannot be read: nothing is known to have changed
    }
  }

  /** @param {string} id */
  #read(id) {
    const entry = parse(this.#storage?.getItem(this.#prefix + id) ?? null);
    return entry?.id === id ? entry : undefined;
  }
}
