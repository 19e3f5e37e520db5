// Drives the official Socket.IO client for tests/support/clients.py: commands come in on standard
// input, what happens goes out on standard output, both as JSON lines. One process has many clients.

import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const sockets = new Map();

function report(client, what, data) {
  process.stdout.write(JSON.stringify({ client, what, data }) + "\n");
}

// JSON has no bytes: {"$bytes": "<base64>"} stands for a Buffer.
function revive(key, value) {
  return value && typeof value.$bytes === "string" ? Buffer.from(value.$bytes, "base64") : value;
}

const commands = {
  open({ client, url, options }) {
    const socket = io(url, { forceNew: true, reconnection: false, ...options });
    sockets.set(client, socket);
    socket.on("connect", () => report(client, "connect", socket.id));
    socket.on("connect_error", (error) => report(client, "connect_error", error.message));
    socket.on("disconnect", (reason) => report(client, "disconnect", reason));
    socket.onAny((name, ...args) => report(client, "event", { name, args }));
    watchEngine(client, socket.io);
    socket.io.on("reconnect", () => watchEngine(client, socket.io));
  },

  emit({ client, number, event, args }) {
    const acknowledged = (...answers) => report(client, "ack", { number, answers });
    sockets.get(client).emit(event, ...args, ...(number === null ? [] : [acknowledged]));
  },

  // Says goodbye, as a page that is left.
  close({ client }) {
    sockets.get(client).disconnect();
  },

  // Ends the transport without a word, as a lost network.
  drop({ client }) {
    const engine = sockets.get(client).io.engine;
    (engine.transport.ws ?? { terminate: () => engine.close() }).terminate();
  },

  connect({ client }) {
    sockets.get(client).connect();
  },
};

function watchEngine(client, manager) {
  const engine = manager.engine;
  if (!engine) return;
  engine.on("upgrade", (transport) => report(client, "upgrade", transport.name));
  engine.on("close", (reason) => report(client, "close", reason));
}

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line, revive);
    commands[command.op](command);
  })
  .on("close", () => process.exit(0));
