// The page of an admin: the list of conversations, and the thread that is open.
import { element, initials, tone } from "./lines.js";
import { count, say } from "./texts.js";
import { data, openThread, startClient } from "./thread.js";
import * as times from "./times.js";

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);
const page = data();
const open = page.row;
const client = startClient(page, open ? { [open.conversacion]: open.seq } : {});

if (open && page.live) {
  openThread({
    client,
    page,
    para: open.user,
    conversation: open.conversacion,
    ours: (user) => user !== open.user,
    guard: true,
  });
}

const rows = $("rows");
const moved = $("moved");
/** Users whose row has changed its place while the list was being used. @type {Set<string>} */
const waiting = new Set();

/** @param {string} user @returns {HTMLElement | null} */
const rowOf = (user) => rows.querySelector(`.row[data-user="${CSS.escape(user)}"]`);
const inUse = () => rows.matches(":hover") || rows.contains(document.activeElement);

/** @param {Record<string, any>} row */
function emptyRow(row) {
  const avatar = element("span", `avatar ${tone(row.user)}`, initials(row.name), element("span", "dot"));
  avatar.setAttribute("aria-hidden", "true");
  const name = element("span", "name", "", element("bdi", "", row.name), element("span", "hidden presence"));
  const preview = element("span", "preview");
  preview.dir = "auto";
  const pill = element("span", "pill", "", element("span"), element("span", "hidden", ` ${say("unread")}`));
  const marks = element("span", "marks", "", element("span", "unsent"), pill);
  const link = element("a", "", "", avatar, name, element("time", "ago"), preview, marks);
  link.href = `/soporte?con=${encodeURIComponent(row.user)}`;
  const item = element("li", "row", "", link);
  item.dataset.user = row.user;
  return item;
}

/** @param {any} item @param {Record<string, any>} row */
function fillRow(item, row) {
  const at = new Date(row.fecha);
  item.dataset.at = row.fecha;
  item.classList.toggle("unread", row.sin_leer > 0);
  const ago = item.querySelector(".ago");
  ago.textContent = times.ago(at);
  ago.dateTime = row.fecha;
  ago.title = times.full(at);
  const who = row.de === row.user ? "" : `${row.de === page.me ? say("You:") : say("Desk:")} `;
  item.querySelector(".preview").textContent = who + row.mensaje;
  const pill = item.querySelector(".pill");
  pill.hidden = row.sin_leer === 0;
  pill.firstElementChild.textContent = String(row.sin_leer);
  showPresence(item, row.conectado);
  showUnsent(item);
}

/** Marks a row whose messages wait or failed: they go on being sent while others are read.
 * @param {any} item */
function showUnsent(item) {
  const unsent = client.outbox.filter((outgoing) => outgoing.para === item.dataset.user);
  const failed = unsent.some((outgoing) => outgoing.state === "failed");
  const mark = item.querySelector(".unsent");
  const words = failed ? say("Not sent") : say("Waiting");
  mark.hidden = unsent.length === 0;
  mark.classList.toggle("failed", failed);
  if (mark.textContent !== words) mark.textContent = words;
}

/** The same for conversations whose rows are not in this part of the list. */
function showUnsentElsewhere() {
  const users = new Set(client.outbox.map((outgoing) => outgoing.para).filter((user) => !rowOf(user)));
  const links = [...users].flatMap((user) => {
    const link = element("a", "", page.names[user] ?? user);
    link.href = `/soporte?con=${encodeURIComponent(user)}`;
    return [" ", link];
  });
  $("unsent").replaceChildren(...(links.length ? [say("Not sent yet:"), ...links] : []));
  $("unsent").hidden = links.length === 0;
}

client.on("outbox", () => {
  for (const item of rows.children) showUnsent(item);
  showUnsentElsewhere();
});

/** @param {any} item @param {boolean} connected */
function showPresence(item, connected) {
  item.querySelector(".dot").classList.toggle("on", connected);
  item.querySelector(".presence").textContent = connected ? ` (${say("connected")})` : "";
}

/** Brings the rows into the order of their last messages. */
function sort() {
  waiting.clear();
  moved.hidden = true;
  const focused = /** @type {HTMLElement} */ (document.activeElement);
  const sorted = [...rows.children].sort((/** @type {any} */ a, /** @type {any} */ b) => (a.dataset.at < b.dataset.at ? 1 : -1));
  sorted.forEach((item, place) => rows.children[place] !== item && rows.insertBefore(item, rows.children[place]));
  if (rows.contains(focused)) focused.focus();
}

client.on("row", (row) => {
  const item = rowOf(row.user) ?? rows.appendChild(emptyRow(row));
  const changed = item.dataset.at !== row.fecha;
  fillRow(item, row);
  if (!changed) return;
  if (!inUse()) return sort();
  waiting.add(row.user);
  moved.textContent = count("{number} conversation has news", "{number} conversations have news", waiting.size);
  moved.hidden = false;
});
moved.addEventListener("click", sort);
for (const type of ["pointerleave", "focusout"]) {
  rows.addEventListener(type, () => setTimeout(() => waiting.size && !inUse() && sort(), 150));
}

client.on("presence", (detail) => {
  const item = rowOf(detail.user);
  if (item) showPresence(item, detail.conectado);
  const shown = $("presence");
  if (shown?.dataset.user === detail.user) {
    const when = times.full(new Date(detail.desde));
    shown.textContent = detail.conectado ? say("connected") : say("last seen {when}", { when });
  }
});

/** What changed while we were away is in the first page of the list. */
let before = false;
client.on("connection", async (detail) => {
  if (detail !== "online") return;
  if (before) {
    const answer = await fetch("/api/bandeja").catch(() => null);
    if (answer?.ok) {
      for (const row of (await answer.json()).filas) fillRow(rowOf(row.user) ?? rows.appendChild(emptyRow(row)), row);
      sort();
    }
  }
  before = true;
});
for (const item of rows.children) showUnsent(item);
showUnsentElsewhere();
setInterval(() => {
  for (const ago of rows.querySelectorAll(".ago")) ago.textContent = times.ago(new Date(ago.dateTime));
}, 60_000);

client.connect();
