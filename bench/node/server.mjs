// What Registro is measured beside: the smallest Socket.IO chat server that keeps the same promise.
//   JWT_SECRET=S DATABASE_URL=mysql://root@127.0.0.1:3306/bench PORT=0 node server.mjs
// Each message is inserted into MySQL, durably, before anybody gets it and before it is acknowledged; one
// sender's messages keep their order. No log, no projections, no checks of who is known: its figures are a
// measure of the machine and of the libraries, not of a finished chat.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import mysql from "mysql2/promise";
import { Server } from "socket.io";

const POOL = Number(process.env.POOL ?? 64); // connections; MySQL flushes the commits of several at once

const pool = mysql.createPool({ uri: process.env.DATABASE_URL, connectionLimit: POOL });
await pool.query(`CREATE TABLE IF NOT EXISTS mensaje (
  id BIGINT PRIMARY KEY AUTO_INCREMENT,
  de_usuario VARCHAR(64) NOT NULL,
  para_usuario VARCHAR(64) NOT NULL,
  mensaje TEXT NOT NULL,
  fecha DATETIME(3) NOT NULL,
  KEY (de_usuario), KEY (para_usuario)
) CHARACTER SET utf8mb4`);

/** The claims of an HS256 token in the Cookie header; throws for one that is wrong. */
function claims(cookies = "") {
  const [, token] = /(?:^|; ?)token=([^;]*)/.exec(cookies) ?? [];
  if (!token) throw new Error("Token no proporcionado");
  const [header, payload, signature] = token.split(".");
  const expected = createHmac("sha256", process.env.JWT_SECRET).update(`${header}.${payload}`).digest();
  const given = Buffer.from(signature ?? "", "base64url");
  const decoded = given.length === expected.length && timingSafeEqual(given, expected)
    ? JSON.parse(Buffer.from(payload, "base64url")) : {};
  if (!(decoded.exp > Date.now() / 1000)) throw new Error("Token inválido");
  return decoded;
}

const io = new Server({ transports: ["websocket"], serveClient: false });

io.use((socket, next) => {
  try {
    socket.data = claims(socket.handshake.headers.cookie);
    next();
  } catch (error) {
    next(error);
  }
});

async function store(socket, { para, mensaje }, ack) {
  const { user, rol } = socket.data;
  const fecha = new Date();
  const [{ insertId: id }] = await pool.execute(
    "INSERT INTO mensaje (de_usuario, para_usuario, mensaje, fecha) VALUES (?, ?, ?, ?)",
    [user, para, mensaje, fecha],
  );
  const rooms = rol === "admin" ? [`user:${para}`] : [`user:${para}`, "admins"];
  socket.to(rooms).emit("mensaje_recibido", { de: user, mensaje, id, para, fecha });
  ack?.({ ok: true, id, fecha });
}

io.on("connection", (socket) => {
  socket.join(`user:${socket.data.user}`);
  if (socket.data.rol === "admin") socket.join("admins");
  let last = Promise.resolve(); // a sender's messages one after the other: the pool would mix them up
  socket.on("mensaje_privado", (message, ack) => {
    if (typeof message?.para !== "string" || typeof message.mensaje !== "string") {
      return ack?.({ ok: false, error: { codigo: "datos_invalidos" } });
    }
    last = last.then(() => store(socket, message, ack)).catch(() => {
      ack?.({ ok: false, error: { codigo: "no_disponible" } });
    });
  });
});

const http = createServer();
io.attach(http);
http.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => {
  console.log(`node is at http://127.0.0.1:${http.address().port}/`);
});
process.on("SIGTERM", () => process.exit(0));
