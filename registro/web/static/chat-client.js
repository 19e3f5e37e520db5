// The chat's connection, without any page: sends with acknowledgement, catches up, says what happened.
//
//   const client = new ChatClient({ io, me: "eva", seen: { <conversation>: <seq> } });
//   client.addEventListener("message", (event) => show(event.detail));
//   client.connect();
//   client.send({ para: "admin", mensaje: "hola" });
//
// Events (`detail`): `message` a message as in `mensaje_recibido`, each once and in order within its
// conversation · `outgoing` an Outgoing whose state changed · `overtaken` {outgoing, messages} ·
// `erased` {conversacion, seq} · `read` {conversacion, seq, de} · `typing` {de, conversacion} ·
// `presence` {user, conectado, desde} · `row` an inbox row · `connection` "online" | "offline" |
// "refused" (with `reason`) · `ended` {motivo}.

/**
 * @typedef {{de: string, para: string, mensaje: string, id: string, conversacion: string,
 *            seq: number, fecha: string, borrado?: boolean}} Message
 * @typedef {{id: string, para: string, mensaje: string, visto?: number,
 *            state: "sending" | "sent" | "failed", codigo?: string}} Outgoing
 */

const ACK_TIMEOUT = 8000;
const LONGEST_PAUSE = 15_000;
/** Refusals after which the same message may be sent again by itself. */
const AGAIN = new Set(["no_disponible", "limite_superado"]);

const uuid = () => {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // pages without HTTPS have no randomUUID
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
};

export class ChatClient extends EventTarget {
  /** @type {Outgoing[]} */ #outbox = [];
  #sending = false;
  #catchingUp = false;
  #attempts = 0;
  #ended = false;

  /** @param {{io: Function, me: string, seen?: Record<string, number>, auth?: object}} options */
  constructor({ io, me, seen = {}, auth }) {
    super();
    this.me = me;
    this.seen = { ...seen };
    this.socket = io({ autoConnect: false, auth, reconnectionDelayMax: 5000 });
    this.#listen();
  }

  connect() {
    this.socket.connect();
  }

  /** Connects anew, with the cookie of now. */
  reconnect() {
    this.socket.disconnect().connect();
  }

  /** Sends a message, as soon as that is possible and after those before it.
   * @param {{para: string, mensaje: string, visto?: number}} message @returns {Outgoing} */
  send(message) {
    /** @type {Outgoing} */
    const outgoing = { id: uuid(), state: "sending", ...message };
    this.#outbox.push(outgoing);
    this.#tell("outgoing", outgoing);
    this.#work();
    return outgoing;
  }

  /** Tries a failed message again, under the same id. @param {Outgoing} outgoing */
  retry(outgoing) {
    outgoing.state = "sending";
    this.#outbox.push(outgoing);
    this.#tell("outgoing", outgoing);
    this.#work();
  }

  /** Messages that are not sent yet. */
  get pending() {
    return this.#outbox.length;
  }

  read(conversacion, seq) {
    if (this.socket.connected) this.socket.emit("leido", { conversacion, seq });
  }

  /** Says that somebody is writing; false while nobody can be told. */
  typing(para) {
    if (this.socket.connected) this.socket.volatile.emit("escribiendo", { para });
    return this.socket.connected;
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #listen() {
    const socket = this.socket;
    socket.on("connect", () => {
      this.#tell("connection", "online");
      this.#catchUp().then(() => this.#work());
    });
    socket.on("disconnect", (reason) => {
      this.#tell("connection", "offline");
      // After the server's own goodbye the library stays away, unless it is asked to come back.
      if (reason === "io server disconnect" && !this.#ended) socket.connect();
    });
    socket.on("connect_error", (error) => {
      if (socket.active) return this.#tell("connection", "offline");
      this.#tell("connection", "refused");
      if (error.message === "No disponible") setTimeout(() => socket.connect(), 2000);
      else this.#end(error.message);
    });
    socket.on("mensaje_recibido", (message) => this.#arrived(message));
    socket.on("mensaje_enviado", (message) => this.#arrived(message));
    socket.on("mensaje_borrado", (what) => this.#tell("erased", what));
    socket.on("leido", (what) => this.#tell("read", what));
    socket.on("escribiendo", (what) => this.#tell("typing", what));
    socket.on("presencia", (what) => this.#tell("presence", what));
    socket.on("conversacion", (row) => this.#tell("row", row));
    socket.on("sesion_termina", ({ motivo }) => {
      // A token that ran out may have been renewed by another tab: connecting again finds out.
      if (motivo !== "caducada") this.#end(motivo);
    });
  }

  #end(motivo) {
    this.#ended = true;
    this.#tell("ended", { motivo });
  }

  /** @param {Message} message */
  #arrived(message) {
    const last = this.seen[message.conversacion];
    if (last === undefined) {
      // A conversation that is new to us, or one that this page does not follow.
      if (message.seq === 1) this.#accept(message);
      else this.#tell("message", message);
    } else if (message.seq === last + 1) this.#accept(message);
    else if (message.seq > last + 1) this.#catchUp();
  }

  /** @param {Message} message */
  #accept(message) {
    this.seen[message.conversacion] = message.seq;
    this.#tell("message", message);
  }

  /** Asks for what came after the last messages that we have. */
  async #catchUp() {
    if (this.#catchingUp) return;
    this.#catchingUp = true;
    try {
      let cursor;
      for (;;) {
        const vistos = this.seen;
        const page = await this.socket.timeout(ACK_TIMEOUT).emitWithAck("sincronizar", { vistos, cursor });
        if (!page.ok) return;
        for (const message of page.mensajes) {
          if (message.seq === (this.seen[message.conversacion] ?? 0) + 1) this.#accept(message);
        }
        if (!page.mas) return;
        cursor = page.cursor;
      }
    } catch {
      // The connection is gone again; the next one catches up.
    } finally {
      this.#catchingUp = false;
    }
  }

  /** Sends what waits, one by one: a message is not overtaken by the next. */
  async #work() {
    if (this.#sending) return;
    this.#sending = true;
    while (this.#outbox.length && this.socket.connected) {
      const outgoing = this.#outbox[0];
      const { id, para, mensaje, visto } = outgoing;
      let answer;
      try {
        answer = await this.socket.timeout(ACK_TIMEOUT).emitWithAck("mensaje_privado", { id, para, mensaje, visto });
      } catch {
        answer = { ok: false, error: { codigo: "no_disponible" } };
      }
      if (!answer.ok && AGAIN.has(answer.error.codigo)) {
        await this.#pause();
        continue;
      }
      this.#attempts = 0;
      this.#outbox.shift();
      this.#answered(outgoing, answer);
    }
    this.#sending = false;
  }

  #pause() {
    const longest = Math.min(LONGEST_PAUSE, 500 * 2 ** this.#attempts++);
    return new Promise((resolve) => setTimeout(resolve, longest * (0.5 + Math.random() / 2)));
  }

  #answered(outgoing, answer) {
    if (answer.ok) {
      outgoing.state = "sent";
      this.#tell("outgoing", outgoing);
      const { id, conversacion, seq, fecha } = answer;
      this.#arrived({ de: this.me, para: outgoing.para, mensaje: outgoing.mensaje, id, conversacion, seq, fecha });
    } else if (answer.error.codigo === "hay_novedades") {
      for (const message of answer.error.mensajes) this.#arrived(message);
      this.#tell("overtaken", { outgoing, messages: answer.error.mensajes });
    } else {
      outgoing.state = "failed";
      outgoing.codigo = answer.error.codigo;
      this.#tell("outgoing", outgoing);
    }
  }
}
