// The chat client against a Socket.IO of our own making, without a browser: what depends on the
// exact moment at which something happens. tests/web/test_chat_client.py runs it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChatClient } from "../../registro/web/static/chat-client.js";

const until = async (met, what = met.toString()) => {
  const deadline = Date.now() + 5000;
  while (!met()) {
    assert.ok(Date.now() < deadline, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
};
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A server with one conversation a recipient; `answers` come before its own. */
class Server {
  log = [];
  heard = [];
  answers = [];

  async hear(event, payload, me) {
    this.heard.push({ event, ...payload });
    const answer = this.answers.length && this.answers[0].event === event ? this.answers.shift().answer : null;
    return (await answer?.(payload)) ?? this[event](payload, me);
  }

  mensaje_privado({ id, para, mensaje }, me) {
    const message = this.log.find((one) => one.id === id) ?? this.store({ id, de: me, para, mensaje });
    const { conversacion, seq, fecha } = message;
    return { ok: true, id, conversacion, seq, fecha };
  }

  sincronizar({ vistos }) {
    return { ok: true, mensajes: this.log.filter((one) => one.seq > (vistos[one.conversacion] ?? 0)), mas: false, cursor: "1" };
  }

  leido() {
    return { ok: true };
  }

  store(message) {
    const conversacion = message.conversacion ?? "c";
    const seq = this.log.filter((one) => one.conversacion === conversacion).length + 1;
    this.log.push({ id: `s${this.log.length}`, de: "admin", para: "eva", fecha: "2026-11-24T10:00:00.000Z", ...message, conversacion, seq });
    return this.log.at(-1);
  }

  said(event) {
    return this.heard.filter((one) => one.event === event);
  }
}

class Socket extends EventTarget {
  connected = false;
  active = false;
  volatile = { emit: () => {} };
  connects = 0;
  #waiting = new Set();

  constructor(server, options) {
    super();
    this.server = server;
    this.options = options;
  }

  on(event, listener) {
    this.addEventListener(event, ({ detail }) => listener(detail));
  }

  onAny(listener) {
    this.any = listener;
  }

  tell(event, detail) {
    if (!["connect", "disconnect", "connect_error"].includes(event)) this.any();
    this.dispatchEvent(new CustomEvent(event, { detail }));
  }

  connect() {
    this.active = true;
    this.connects++;
    this.options.auth((auth) => (this.auth = auth));
    queueMicrotask(() => {
      const refusal = this.server.refusals?.shift();
      this.connected = !refusal;
      this.active = !refusal;
      this.tell(refusal ? "connect_error" : "connect", refusal && new Error(refusal));
    });
    return this;
  }

  disconnect() {
    const connected = this.connected;
    this.active = false;
    if (connected) this.lose("io client disconnect");
    return this;
  }

  /** Ends the connection. */
  lose(reason = "transport close") {
    this.connected = false;
    for (const fail of this.#waiting) fail(new Error("socket has been disconnected"));
    this.tell("disconnect", reason);
  }

  timeout() {
    return {
      emitWithAck: (event, payload) =>
        new Promise((resolve, reject) => {
          this.#waiting.add(reject);
          this.server.hear(event, payload, this.auth.user).then(resolve, reject);
        }),
    };
  }
}

class Storage {
  #kept = new Map();
  get length() {
    return this.#kept.size;
  }
  key(place) {
    return [...this.#kept.keys()][place] ?? null;
  }
  getItem(key) {
    return this.#kept.get(key) ?? null;
  }
  setItem(key, value) {
    this.#kept.set(key, value);
  }
  removeItem(key) {
    this.#kept.delete(key);
  }
}

class Locks {
  #last = new Map();
  request(name, options, task) {
    const turn = (this.#last.get(name) ?? Promise.resolve()).then(task);
    this.#last.set(name, turn.catch(() => {}));
    return turn;
  }
}

/** A client with what it has told; connected, unless it is not to be. */
function open(t, { server = new Server(), connect = true, me = "eva", ...given } = {}) {
  let socket;
  const io = (url, options) => (socket = new Socket(server, options));
  const client = new ChatClient({ io, me, storage: new Storage(), locks: null, channel: null, ...given });
  const told = [];
  for (const type of ["message", "outgoing", "removed", "unsaved", "connection", "ended", "overtaken"]) {
    client.on(type, (detail) => told.push({ type, detail }));
  }
  t.after(() => client.close());
  if (connect) client.connect();
  const of = (type) => told.filter((one) => one.type === type).map((one) => one.detail);
  return { client, server, socket, of, texts: () => of("message").map((one) => one.mensaje) };
}

const say = (client, ...texts) => texts.map((mensaje) => client.send({ para: "admin", mensaje }).id);
const texts = (server) => server.log.map((one) => one.mensaje);

test("messages are sent one by one, in order", async (t) => {
  const { client, server } = open(t);
  await until(() => client.socket.connected);
  let release;
  server.answers.push({ event: "mensaje_privado", answer: () => new Promise((resolve) => (release = resolve)) });
  say(client, "1", "2", "3");
  await until(() => release);
  await pause(20);
  assert.equal(server.said("mensaje_privado").length, 1);
  release();
  await until(() => client.pending === 0);
  assert.deepEqual(texts(server), ["1", "2", "3"]);
});

for (const codigo of ["limite_superado", "no_disponible", "no_autorizado"]) {
  test(`after ${codigo} the same message is sent again, before the next`, async (t) => {
    const { client, server } = open(t);
    server.answers.push({ event: "mensaje_privado", answer: () => ({ ok: false, error: { codigo } }) });
    const [id] = say(client, "1", "2");
    await until(() => client.pending === 0);
    assert.deepEqual(texts(server), ["1", "2"]);
    assert.deepEqual(server.said("mensaje_privado").slice(0, 2).map((one) => one.id), [id, id]);
  });
}

test("a message whose acknowledgement was lost is not sent again once it was seen", async (t) => {
  const { client, server, socket, texts: shown } = open(t);
  await until(() => socket.connected);
  server.answers.push({
    event: "mensaje_privado",
    answer(payload) {
      server.mensaje_privado(payload, "eva");
      socket.lose();
      return new Promise(() => {});
    },
  });
  say(client, "1");
  await pause(10);
  assert.equal(socket.connected, false);
  socket.connect();
  await until(() => client.pending === 0);
  assert.equal(server.said("mensaje_privado").length, 1);
  assert.deepEqual(shown(), ["1"]);
});

const silence = () => Promise.reject(new Error("operation has timed out"));

test("a connection on which nothing is heard for long is given up", async (t) => {
  const { client, server, socket } = open(t);
  await until(() => socket.connected);
  server.answers.push({ event: "mensaje_privado", answer: silence });
  say(client, "1");
  await until(() => client.pending === 0);
  assert.equal(socket.connects, 2);
  assert.deepEqual(texts(server), ["1"]);
});

test("a connection on which something is heard is kept", async (t) => {
  const { client, server, socket } = open(t);
  await until(() => socket.connected);
  server.answers.push({
    event: "mensaje_privado",
    answer() {
      socket.tell("presencia", {});
      return silence();
    },
  });
  say(client, "1");
  await until(() => client.pending === 0);
  assert.equal(socket.connects, 1);
});

test("what is refused fails, holds up nothing, and is sent or deleted when asked", async (t) => {
  const { client, server, of } = open(t);
  const refuse = { event: "mensaje_privado", answer: () => ({ ok: false, error: { codigo: "mensaje_largo" } }) };
  server.answers.push(refuse, refuse);
  const [first, second] = say(client, "1", "2", "3");
  await until(() => client.pending === 0);
  assert.deepEqual(client.outbox.map(({ id, state, codigo }) => [id, state, codigo]), [
    [first, "failed", "mensaje_largo"], [second, "failed", "mensaje_largo"],
  ]);
  client.retry(first);
  client.discard(second);
  await until(() => client.outbox.length === 0);
  assert.deepEqual(texts(server), ["3", "1"]);
  assert.deepEqual(of("removed").map(({ id }) => id), [second]);
});

test("an overtaken message is kept, and sent again whatever was not seen", async (t) => {
  const { client, server, of, texts: shown } = open(t, { seen: { c: 0 } });
  await until(() => client.socket.connected);
  const news = server.store({ mensaje: "antes" });
  server.answers.push({ event: "mensaje_privado", answer: () => ({ ok: false, error: { codigo: "hay_novedades", mensajes: [news] } }) });
  const { id } = client.send({ para: "admin", mensaje: "1", visto: 0 });
  await until(() => of("overtaken").length);
  assert.equal(client.outbox[0].codigo, "hay_novedades");
  client.retry(id);
  await until(() => client.outbox.length === 0);
  assert.equal(server.said("mensaje_privado").at(-1).visto, undefined);
  assert.deepEqual(shown(), ["antes", "1"]);
});

test("a gap is filled, also while the news are being read", async (t) => {
  const { server, socket, texts: shown } = open(t, { seen: { c: 0 } });
  await until(() => server.said("sincronizar").length === 1);
  const [one, two, three] = ["1", "2", "3"].map((mensaje) => server.store({ mensaje }));
  let release;
  server.answers.push({ event: "sincronizar", answer: () => new Promise((resolve) => (release = resolve)) });
  socket.tell("mensaje_recibido", two);
  await until(() => release);
  socket.tell("mensaje_recibido", three);
  release({ ok: true, mensajes: [one, two], mas: false, cursor: "2" }); // read before the third
  await until(() => shown().length === 3);
  assert.deepEqual(shown(), ["1", "2", "3"]);
});

test("what the news still leave out is asked for again", async (t) => {
  const { server, socket, texts: shown } = open(t, { seen: { c: 0 } });
  await until(() => server.said("sincronizar").length === 1);
  server.answers.push({ event: "sincronizar", answer: () => ({ ok: true, mensajes: [], mas: false, cursor: "0" }) });
  server.store({ mensaje: "1" });
  socket.tell("mensaje_recibido", server.store({ mensaje: "2" }));
  await until(() => shown().length === 2);
  assert.deepEqual(shown(), ["1", "2"]);
});

test("reading the news is tried again while the store is away", async (t) => {
  const { server, texts: shown } = open(t, { seen: { c: 0 }, connect: true });
  server.store({ mensaje: "1" });
  server.answers.push({ event: "sincronizar", answer: () => ({ ok: false, error: { codigo: "no_disponible" } }) });
  await until(() => shown().length === 1);
});

test("a conversation that is new to a user is told from its start, each message once", async (t) => {
  const { server, socket, texts: shown } = open(t);
  await until(() => server.said("sincronizar").length === 1);
  const sent = ["1", "2", "3"].map((mensaje) => server.store({ mensaje, conversacion: "new" }));
  socket.tell("mensaje_recibido", sent[2]);
  await until(() => shown().length === 3);
  socket.tell("mensaje_recibido", sent[2]);
  assert.deepEqual(shown(), ["1", "2", "3"]);
});

test("a conversation that an admin does not follow is told as it comes, and asked for once", async (t) => {
  const { server, socket, texts: shown } = open(t, { me: "ana" });
  server.sincronizar = () => ({ ok: true, mensajes: [], mas: false, cursor: "1" });
  await until(() => server.said("sincronizar").length === 1);
  for (let n = 0; n < 10; n++) server.store({ mensaje: String(n), conversacion: "theirs" });
  for (const message of server.log.slice(5)) socket.tell("mensaje_recibido", message);
  await until(() => shown().length === 5);
  socket.tell("mensaje_recibido", server.log[9]);
  assert.deepEqual(shown(), ["5", "6", "7", "8", "9"]);
  assert.equal(server.said("sincronizar").length, 2);
});

test("a conversation that is opened is followed from what its page shows, and let go in time", async (t) => {
  const { client, server, socket, texts: shown } = open(t, { me: "ana", seen: {} });
  await until(() => server.said("sincronizar").length === 1);
  for (const mensaje of ["1", "2", "3"]) server.store({ mensaje });
  client.follow("c", 1);
  await until(() => shown().length === 2);
  socket.tell("mensaje_recibido", server.store({ mensaje: "4" }));
  assert.deepEqual(shown(), ["2", "3", "4"]);
  for (let n = 0; n < 100; n++) client.follow(`other ${n}`, 0);
  assert.equal(Object.keys(client.seen).length, 100);
  assert.equal(client.seen.c, undefined);
});

test("before a restart the server says how long to stay away", async (t) => {
  const { socket, of } = open(t);
  await until(() => socket.connected);
  socket.tell("sesion_termina", { motivo: "reinicio", espera: 300 });
  const began = Date.now();
  socket.lose();
  assert.equal(socket.active, false); // the library would not wait
  await until(() => socket.connected);
  assert.ok(Date.now() - began >= 295);
  assert.deepEqual(of("ended"), []);
});

test("a client that is closed does not come back", async (t) => {
  const { client, socket } = open(t);
  await until(() => socket.connected);
  socket.tell("sesion_termina", { motivo: "reinicio", espera: 0 });
  client.close();
  await pause(20);
  assert.equal(socket.connects, 1);
});

test("a token that ran out is tried again: another tab may have renewed it", async (t) => {
  const { socket, of } = open(t);
  await until(() => socket.connected);
  socket.tell("sesion_termina", { motivo: "caducada" });
  socket.lose("io server disconnect");
  await until(() => socket.connected);
  assert.deepEqual(of("ended"), []);
});

test("a revoked session is not tried again, until somebody asks for it", async (t) => {
  const { client, socket, of } = open(t);
  await until(() => socket.connected);
  socket.tell("sesion_termina", { motivo: "revocada" });
  socket.lose();
  assert.equal(socket.active, false);
  assert.deepEqual(of("ended"), [{ motivo: "revocada" }]);
  client.reconnect();
  await until(() => socket.connected);
});

test("only a server that is not available is asked again for admission", async (t) => {
  const server = new Server();
  server.refusals = ["No disponible", "Token inválido"];
  const { socket, of } = open(t, { server });
  await until(() => of("ended").length);
  assert.equal(socket.connects, 2);
  assert.deepEqual(of("ended"), [{ motivo: "Token inválido" }]);
});

test("a read mark is said until the server has it, and not again after that", async (t) => {
  const { client, server, socket } = open(t, { connect: false });
  client.read("c", 4);
  client.read("c", 3);
  server.answers.push({ event: "leido", answer: () => ({ ok: false, error: { codigo: "no_disponible" } }) });
  const marks = () => server.said("leido").map(({ conversacion, seq }) => [conversacion, seq]);
  client.connect();
  await until(() => marks().length === 2);
  socket.lose();
  client.read("d", 1);
  socket.connect();
  await until(() => marks().length === 3);
  client.read("c", 4); // after it was marked as unread
  await until(() => marks().length === 4);
  assert.deepEqual(marks(), [["c", 4], ["c", 4], ["d", 1], ["c", 4]]);
});

test("a page says whom it was made for, beside its own token", async (t) => {
  const auth = (given) => open(t, { auth: given }).socket.auth;
  assert.deepEqual(auth(undefined), { user: "eva" });
  assert.deepEqual(auth({ token: "t" }), { token: "t", user: "eva" });
  assert.deepEqual(auth((give) => give({ token: "now" })), { token: "now", user: "eva" });
});

test("what waits is sent by the next client of the same user, and by nobody else", async (t) => {
  const storage = new Storage();
  const { client } = open(t, { storage, connect: false });
  say(client, "1", "2");
  client.close();
  const other = open(t, { storage, me: "ev" });
  const same = open(t, { storage });
  assert.deepEqual(other.client.outbox, []);
  assert.deepEqual(same.client.outbox.map((one) => one.mensaje), ["1", "2"]);
  await until(() => same.client.pending === 0);
  assert.deepEqual(texts(same.server), ["1", "2"]);
  assert.deepEqual(texts(other.server), []);
  assert.equal(storage.length, 0);
});

test("of what others left in the storage nothing is taken for a message", (t) => {
  const storage = new Storage();
  const moved = JSON.stringify({ id: "f", para: "x", mensaje: "x", at: 1, state: "sending" });
  for (const [name, text] of Object.entries({ a: "{", b: "null", c: "[]", d: '{"id":"d"}', e: "7", f: JSON.stringify({ id: "f", para: "x", mensaje: "x", state: "failed" }), g: moved })) {
    storage.setItem(`registro:"eva":outbox:${name}`, text);
  }
  assert.deepEqual(open(t, { storage }).client.outbox, []);
});

for (const [title, locks, times] of [["with locks", () => new Locks(), 1], ["without locks", () => null, 2]]) {
  test(`two tabs ${title} agree on what waits, failed and was sent`, async (t) => {
    const [server, shared] = [new Server(), { storage: new Storage(), locks: locks(), channel: BroadcastChannel }];
    const [one, two] = [0, 1].map(() => open(t, { server, connect: false, ...shared }));
    const waiting = (count) => until(() => [one, two].every(({ client }) => client.pending === count));
    const [first] = say(one.client, "1");
    await waiting(1);
    say(two.client, "2");
    await waiting(2);
    say(one.client, "3");
    await waiting(3);
    assert.deepEqual(two.client.outbox, one.client.outbox);
    const refuse = { event: "mensaje_privado", answer: () => ({ ok: false, error: { codigo: "mensaje_vacio" } }) };
    server.answers.push(...Array(times).fill(refuse));
    one.client.connect();
    two.client.connect();
    await until(() => [one, two].every(({ texts: shown }) => shown().length === 2));
    for (const { client, texts: shown } of [one, two]) {
      assert.deepEqual(shown(), ["2", "3"]);
      assert.deepEqual(client.outbox.map(({ id, state }) => [id, state]), [[first, "failed"]]);
    }
    assert.deepEqual(texts(server), ["2", "3"]);
    if (times === 1) assert.equal(server.said("mensaje_privado").length, 3);
    two.client.discard(first);
    await until(() => one.client.outbox.length === 0);
    assert.deepEqual(one.of("removed").map(({ id }) => id), [first]);
  });
}

test("a tab that is closed hands over to the next", async (t) => {
  const [server, shared] = [new Server(), { storage: new Storage(), locks: new Locks(), channel: BroadcastChannel }];
  const [one, two] = [0, 1].map(() => open(t, { server, ...shared }));
  await until(() => one.client.socket.connected && two.client.socket.connected);
  server.answers.push({ event: "mensaje_privado", answer: () => new Promise(() => {}) });
  say(one.client, "1", "2");
  await until(() => server.said("mensaje_privado").length === 1);
  one.client.close();
  await until(() => server.log.length === 2);
  assert.deepEqual(texts(server), ["1", "2"]);
});

for (const [title, storage] of [
  ["full", Object.assign(new Storage(), { setItem: () => { throw new Error("full"); } })],
  ["forbidden", null],
]) {
  test(`with a storage that is ${title}, messages live in the page`, async (t) => {
    const { client, server, of } = open(t, { storage, connect: false });
    say(client, "1", "2");
    assert.deepEqual(of("unsaved").map((one) => one.mensaje), ["1", "2"]);
    client.connect();
    await until(() => client.pending === 0);
    assert.deepEqual(texts(server), ["1", "2"]);
  });
}
