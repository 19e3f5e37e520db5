// The chat in a frame on another site's page. Who reads here is told by that page, by message: it
// gives its own token, each time that one is wanted. No cookie is used.
import { ChatClient } from "./chat-client.js";
import { readPage } from "./history.js";
import { followHours } from "./hours.js";
import { element } from "./lines.js";
import { adopt, useToken } from "./reach.js";
import { say } from "./texts.js";
import { data, forgetAll, openOwnThread, showState } from "./thread.js";

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);
/** Milliseconds until a token is asked for again, or the thread, when there was none. */
const AGAIN = 5000;

/** The origin of the page around. @type {string} */
const parent = data().parent;
/** Whether the panel was opened, so that its reader wants to write. */
let opened = false;
$("connection").textContent = say("Connecting…");

/** @param {Record<string, unknown>} what */
const tell = (what) => window.parent.postMessage(what, parent);
/** @param {number} milliseconds */
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** What the page around says, by its `registro`. @param {string} kind @param {(what: any) => void} listener */
function on(kind, listener) {
  window.addEventListener("message", ({ source, origin, data: what }) => {
    if (source === window.parent && origin === parent && what?.registro === kind) listener(what);
  });
}

/** Those who wait for a token. @type {((token: string | null) => void)[]} */
let waiting = [];
/** Whether the last token was refused, so that the page shall not give it again. */
let refused = false;

/** The site's token of now; it is waited for. @returns {Promise<string>} */
async function token() {
  for (;;) {
    const found = await new Promise((/** @type {(token: string | null) => void} */ resolve) => {
      waiting.push(resolve);
      tell({ registro: "token", nuevo: refused });
    });
    refused = false;
    if (found) return found;
    await pause(AGAIN);
  }
}

/** A client that tells the page around how much its reader has not read. */
class CountingClient extends ChatClient {
  unread = 0;

  /** @param {number} unread */
  count(unread) {
    this.unread = unread;
    tell({ registro: "sin_leer", numero: unread });
  }

  /** @override @param {string} conversacion @param {number} seq */
  read(conversacion, seq) {
    super.read(conversacion, seq);
    if (this.unread) this.count(0);
  }
}

/** This very page with the thread in it; it is waited for. @returns {Promise<Document>} */
async function readThread() {
  for (;;) {
    const page = await readPage(location.href, new AbortController().signal);
    if (page) return page;
    refused = true;
    await pause(AGAIN);
  }
}

/** What others wrote after the read mark. @param {any} row @param {boolean} whole whether the newest are here */
function unreadOf(row, whole) {
  const theirs = /** @type {HTMLElement[]} */ ([...$("lines").querySelectorAll(".line.theirs[data-seq]")]);
  const here = theirs.filter(({ dataset }) => Number(dataset.seq) > row.leido_usuario).length;
  return whole ? here : Math.max(here, row.seq - row.leido_usuario);
}

async function start() {
  useToken(token);
  let read = await readThread();
  let page = JSON.parse(read.getElementById("data")?.textContent ?? "");
  const client = new CountingClient({
    io: /** @type {any} */ (window).io, me: page.me, seen: page.seen,
    auth: (give) => void token().then((text) => give({ token: text })),
  });
  showState(client, () => {
    const again = element("button", "link", say("Try again"));
    again.type = "button";
    again.addEventListener("click", () => {
      refused = true;
      client.reconnect();
    });
    return again;
  });
  on("olvidar", () => forgetAll(client.me));
  const isNew = !page.row;
  if (isNew) {
    // Connecting makes this person known; before that they have no thread.
    const online = new Promise((resolve) => client.on("connection", (state) => state === "online" && resolve(state)));
    client.connect();
    await online;
    read = await readThread();
    page = JSON.parse(read.getElementById("data")?.textContent ?? "");
  }
  $("log").replaceWith(adopt(/** @type {Element} */ (read.getElementById("log"))));
  $("composer").hidden = false;
  const { conversacion } = page.row;
  const { lines } = openOwnThread(client, page);
  followHours(client.socket, location.search);
  client.on("message", (one) => one.conversacion === conversacion && one.de !== page.me && client.count(client.unread + 1));
  // On another page of theirs.
  client.on("read", (one) => one.conversacion === conversacion && one.de === page.me && one.seq >= lines.last && client.count(0));
  client.count(unreadOf(page.row, lines.whole));
  if (isNew) client.follow(conversacion, lines.last);
  if (opened) $("text").focus();
  $("connection").textContent = "";
  client.connect();
}

on("token", (what) => {
  const asked = waiting;
  waiting = [];
  for (const give of asked) give(typeof what.token === "string" ? what.token : null);
});
on("abierto", () => {
  opened = true;
  $("text").focus();
});
$("close").addEventListener("click", () => tell({ registro: "cerrar" }));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing) tell({ registro: "cerrar" });
});
tell({ registro: "listo" });
start();
