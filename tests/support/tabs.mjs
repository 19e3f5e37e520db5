// Tabs of browsers for tests/support/tabs.py: the page's own chat client, with the storage, the locks
// and the channel of a browser made here. Commands come in on standard input, what happens goes out on
// standard output, both as JSON lines. One process has many browsers, and a browser many tabs.

import { createInterface } from "node:readline";
import { io } from "socket.io-client";
import { ChatClient } from "../../registro/web/static/chat-client.js";

/** What the human waits before sending again what somebody had overtaken, in milliseconds. */
const SECOND_THOUGHT = 100;

const browsers = new Map();
const tabs = new Map();

function report(tab, what, data) {
  process.stdout.write(JSON.stringify({ tab, what, data }) + "\n");
}

/** localStorage: outlives the tabs. */
class Storage {
  #items = new Map();

  get length() {
    return this.#items.size;
  }

  key(place) {
    return [...this.#items.keys()][place] ?? null;
  }

  getItem(key) {
    return this.#items.get(key) ?? null;
  }

  setItem(key, value) {
    this.#items.set(key, String(value));
  }

  removeItem(key) {
    this.#items.delete(key);
  }
}

/** navigator.locks: a tab that is closed gives its locks back at once. */
class Locks {
  #last = new Map();

  async request(name, { signal }, task) {
    let giveUp;
    const closed = new Promise((_, reject) => (giveUp = () => reject(signal.reason)));
    closed.catch(() => {});
    signal.addEventListener("abort", giveUp);
    const before = this.#last.get(name);
    const work = (async () => {
      await before;
      signal.throwIfAborted();
      await Promise.race([task(), closed]);
    })();
    this.#last.set(name, work.catch(() => {}));
    try {
      await Promise.race([work, closed]);
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }
}

/** The BroadcastChannel of one browser. */
function channelOf(open) {
  return class Channel {
    onmessage = null;

    constructor(name) {
      this.name = name;
      open.add(this);
    }

    postMessage(data) {
      for (const other of open) {
        if (other === this || other.name !== this.name) continue;
        setTimeout(() => open.has(other) && other.onmessage?.({ data: structuredClone(data) }));
      }
    }

    close() {
      open.delete(this);
    }
  };
}

function browserOf(number) {
  if (!browsers.has(number)) {
    browsers.set(number, { storage: new Storage(), locks: new Locks(), channel: channelOf(new Set()) });
  }
  return browsers.get(number);
}

function listen(tab, client) {
  client.on("message", ({ conversacion, seq, id, de, para, mensaje }) =>
    report(tab, "message", { conversacion, seq, id, de, para, mensaje }));
  client.on("outgoing", ({ id, para, mensaje, at, state, codigo, seq }) =>
    report(tab, "outgoing", { id, para, mensaje, at, state, codigo, seq }));
  client.on("overtaken", ({ outgoing }) =>
    setTimeout(() => tabs.get(tab) === client && client.retry(outgoing.id), SECOND_THOUGHT));
  client.on("presence", ({ user, conectado }) => report(tab, "presence", { user, conectado }));
  client.on("connection", (state) => report(tab, "connection", state));
  client.on("ended", ({ motivo }) => report(tab, "ended", motivo));
}

const commands = {
  open({ tab, browser, url, me, token, route, transports, seen }) {
    const cookie = [token && `token=${token}`, route && `registro_route=${route}`].filter(Boolean).join("; ");
    const options = { transports, ...(cookie && { extraHeaders: { cookie } }) };
    const client = new ChatClient({ io, me, url, options, seen, ...browserOf(browser) });
    tabs.set(tab, client);
    listen(tab, client);
    client.connect();
  },

  // `conversacion` is given to write on what has been seen of it, and not on more.
  send({ tab, para, mensaje, conversacion }) {
    const client = tabs.get(tab);
    client.send({ para, mensaje, visto: conversacion ? client.seen[conversacion] : undefined });
  },

  // Tries again what failed, in whichever tab it did.
  retry({ tab }) {
    const client = tabs.get(tab);
    for (const { id, state } of client.outbox) if (state === "failed") client.retry(id);
  },

  close({ tab }) {
    tabs.get(tab).close();
    tabs.delete(tab);
    report(tab, "closed"); // nothing comes after it
  },

  // Ends without a word to the server, as a browser that is killed. (A long poll that is open is
  // left to the test's network.)
  vanish({ tab }) {
    const manager = tabs.get(tab).socket.io;
    manager.reconnection(false);
    manager.engine?.transport?.ws?.terminate();
    commands.close({ tab });
  },

  state({ tab, number }) {
    const client = tabs.get(tab);
    report(tab, "state", { number, connected: client.socket.connected, outbox: client.outbox.map(({ state }) => state) });
  },
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line);
    commands[command.op](command);
  })
  .on("close", () => process.exit(0));
