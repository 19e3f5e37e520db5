// The page of an admin: the list of conversations, and the thread that is open.
import { actOnSeveral } from "./bulk.js";
import { offerAnswers } from "./canned.js";
import { closeMenus, openDesk, showAction, STATUSES } from "./desk.js";
import { element, initials, tone } from "./lines.js";
import { shareLooks } from "./looking.js";
import { rememberSide } from "./side.js";
import { count, say } from "./texts.js";
import { data, openThread, startClient } from "./thread.js";
import * as times from "./times.js";
import { takeLinks } from "./visit.js";

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);
const page = data();
const client = startClient(page, page.row ? { [page.row.conversacion]: page.row.seq } : {});

/** The address of this list, or of a thread beside it. @param {string} [user] */
function address(user) {
  const query = new URLSearchParams(page.query);
  if (user) query.set("con", user);
  return query.size ? `/soporte?${query}` : "/soporte";
}

/** What is open: its thread, and its controls. @typedef {ReturnType<typeof openRow>} Open */
/** @type {Open | null} */
let open = null;

/** Brings the open thread to life. @param {any} row */
function openRow(row) {
  const closing = new AbortController();
  const { signal } = closing;
  const { lines, history } = openThread({
    client,
    page,
    para: row.user,
    conversation: row.conversacion,
    ours: (user) => user !== row.user,
    guard: true,
    read: row.leido_hasta,
    place: (seq) => `${address(row.user)}&mensaje=${seq}`,
    signal,
  });
  offerAnswers({ nombre: row.name, admin: page.names[page.me] }, signal);
  const show = openDesk(row, (changed) => showRow(changed), () => go(address()), signal);
  return { row, lines, history, show, close: () => closing.abort() };
}

/** After the page has other parts than before. @param {{list: boolean, thread: boolean}} changed */
function drawn({ list, thread }) {
  const { names, ...fresh } = data();
  Object.assign(page.names, names);
  Object.assign(page, fresh);
  if (thread) {
    rememberSide();
    open?.close();
    open = page.row && openRow(page.row);
    look();
    if (open) client.follow(open.row.conversacion, Math.max(open.lines.last, open.lines.whole ? 0 : open.row.seq));
  }
  if (!list) return;
  waiting.clear();
  moved.hidden = true;
  for (const item of rows.children) showUnsent(item);
  showUnsentElsewhere();
}

/** @param {any} action */
function showLive(action) {
  if (!open?.lines.whole || action.conversacion !== open.row.conversacion) return;
  const near = open.lines.atEnd;
  showAction(action);
  if (near) open.lines.toEnd();
}
client.on("action", showLive);

closeMenus();

const rows = $("rows");
const moved = $("moved");
/** Users whose row has changed its place while the list was being used. @type {Set<string>} */
const waiting = new Set();

/** @param {string} user @returns {HTMLElement | null} */
const rowOf = (user) => rows.querySelector(`.row[data-user="${CSS.escape(user)}"]`);
const inUse = () => rows.matches(":hover") || rows.contains(document.activeElement);

/** The box that selects a row. @param {Record<string, any>} row */
function pickOf(row) {
  const box = element("input");
  Object.assign(box, { type: "checkbox", name: "conversacion", value: row.conversacion, autocomplete: "off" });
  box.setAttribute("form", "bulk");
  return element("label", "pick", "", box, element("span", "hidden", say("Select {name}", { name: row.name })));
}

/** @param {Record<string, any>} row */
function emptyRow(row) {
  const avatar = element("span", `avatar ${tone(row.user)}`, initials(row.name), element("span", "dot"));
  avatar.setAttribute("aria-hidden", "true");
  const name = element("span", "name", "", element("bdi", "", row.name), element("span", "hidden presence"));
  const preview = element("span", "preview");
  preview.dir = "auto";
  const pill = element("span", "pill", "", element("span"), element("span", "hidden", " " + say("unread")));
  pill.title = say("Mark read");
  const marks = element("span", "marks", "", element("span", "lookers"), element("span", "unsent"), pill);
  const link = element("a", "", "", avatar, name, element("time", "ago"), preview, marks, element("span", "tags"));
  link.href = address(row.user);
  const item = element("li", "row", "", pickOf(row), link);
  item.dataset.user = row.user;
  return item;
}

/** @param {any} item @param {Record<string, any>} row */
function fillRow(item, row) {
  const at = new Date(row.fecha);
  item.dataset.at = placeOf(row);
  item.classList.toggle("unread", row.sin_leer > 0);
  const ago = item.querySelector(".ago");
  ago.textContent = times.ago(at);
  ago.dateTime = row.fecha;
  ago.title = times.full(at);
  const who = row.de === row.user ? "" : (row.de === page.me ? say("You:") : say("Desk:")) + " ";
  item.querySelector(".preview").textContent = who + row.mensaje;
  const pill = item.querySelector(".pill");
  pill.hidden = row.sin_leer === 0;
  pill.firstElementChild.textContent = String(row.sin_leer);
  showTags(item, row);
  showPresence(item, row.conectado);
  showUnsent(item);
}

/** What the list is ordered by. @param {Record<string, any>} row */
const placeOf = (row) => (page.queue.orden === "espera" ? row.espera_desde : row.fecha) ?? "";

/** Whether a row is one of this list. @param {Record<string, any>} row */
const belongs = (row) =>
  (page.queue.estado === "todas" || page.queue.estado === row.estado) &&
  (page.queue.de === "todas" || row.asignada === (page.queue.de === "mias" ? page.me : "")) &&
  (!page.queue.no_leidas || row.sin_leer > 0) &&
  (!page.queue.etiqueta || row.etiquetas.includes(page.queue.etiqueta)) &&
  (page.queue.orden !== "espera" || row.espera_desde !== null);

/** @param {any} item @param {Record<string, any>} row */
function showTags(item, row) {
  const tags = [];
  if (row.estado !== "abierta") tags.push(element("span", "badge status", STATUSES[row.estado]()));
  if (row.asignada) tags.push(element("span", "badge who", page.admins[row.asignada] ?? row.asignada));
  for (const label of row.etiquetas) tags.push(element("span", "badge", "", element("bdi", "", label)));
  const place = item.querySelector(".tags");
  place.replaceChildren(...tags);
  place.hidden = tags.length === 0;
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
    link.href = address(user);
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
  item.querySelector(".presence").textContent = connected ? " (" + say("connected") + ")" : "";
}

/** Brings the rows into their order, without those that went to other lists. */
function sort() {
  waiting.clear();
  moved.hidden = true;
  const focused = /** @type {HTMLElement} */ (document.activeElement);
  for (const item of rows.querySelectorAll(".leaving")) item.remove();
  const first = page.queue.orden === "espera" ? -1 : 1;
  const sorted = [...rows.children].sort((/** @type {any} */ a, /** @type {any} */ b) => (a.dataset.at < b.dataset.at ? first : -first));
  sorted.forEach((item, place) => rows.children[place] !== item && rows.insertBefore(item, rows.children[place]));
  if (rows.contains(focused)) focused.focus();
}

/** A row that came, changed, or belongs to another list now: while the list is in use it keeps its
 * place. @param {Record<string, any>} row */
function showRow(row) {
  if (row.user === open?.row.user) open?.show(row);
  countSoon();
  const known = rowOf(row.user);
  if (!known && !belongs(row)) return;
  const item = known ?? rows.appendChild(emptyRow(row));
  const changed = item.dataset.at !== placeOf(row) || item.classList.contains("leaving") === belongs(row);
  fillRow(item, row);
  item.classList.toggle("leaving", !belongs(row));
  if (changed) settle([row.user]);
}

/** Rows of these users have other places now, or none: that is shown at once, unless the list is in
 * use. @param {Iterable<string>} users */
function settle(users) {
  if (!inUse()) return sort();
  for (const user of users) waiting.add(user);
  moved.textContent = count("{number} conversation has news", "{number} conversations have news", waiting.size);
  moved.hidden = false;
}
client.on("row", showRow);

/** @type {ReturnType<typeof setTimeout> | undefined} */ let counting;
/** The numbers beside the filters follow a moment later, many changes together. */
function countSoon() {
  counting ??= setTimeout(async () => {
    counting = undefined;
    const answer = await fetch(`/api/bandeja/cuentas?${listQuery()}`).catch(() => null);
    if (!answer?.ok) return;
    const counts = await answer.json();
    for (const shown of document.querySelectorAll(/** @type {"span"} */ ("[data-count]"))) {
      const [field, value] = (shown.dataset.count ?? "").split(":");
      const number = counts[field][value];
      shown.textContent = number < 100 ? String(number) : "99+";
    }
  }, 1000);
}

/** The list in the words of the API, which lists all statuses where none is named.
 * @param {string | null} [cursor] of a page of it */
function listQuery(cursor) {
  const query = new URLSearchParams(page.query);
  query.set("estado", page.queue.estado);
  if (cursor) query.set("cursor", cursor);
  return query;
}
moved.addEventListener("click", sort);
for (const type of ["pointerleave", "focusout"]) {
  rows.addEventListener(type, () => setTimeout(() => waiting.size && !inUse() && sort(), 150));
}

client.on("presence", (detail) => {
  const item = rowOf(detail.user);
  if (item) showPresence(item, detail.conectado);
  const when = times.full(new Date(detail.desde));
  const shown = $("presence");
  if (shown?.dataset.user === detail.user) shown.textContent = detail.conectado ? say("connected") : say("last seen {when}", { when });
  const beside = document.querySelector(`[data-presence="${CSS.escape(detail.user)}"]`);
  if (beside) beside.textContent = detail.conectado ? say("connected since {when}", { when }) : say("last seen {when}", { when });
});

/** Shows what became of the list while we were away: it is read as far down as rows are shown, and
 * those that are not found have gone to another list. */
async function catchUp() {
  /** @type {any[]} */ const items = [...rows.children];
  const places = items.map((item) => item.dataset.at).sort();
  const longest = page.queue.orden === "espera";
  const past = (/** @type {string} */ place) => (longest ? place > (places.at(-1) ?? "") : place < (places[0] ?? ""));
  const gone = new Set(items.map((item) => item.dataset.user));
  const list = listQuery();
  do {
    const answer = await fetch(`/api/bandeja?${list}`).catch(() => null);
    if (!answer?.ok || String(list) !== String(listQuery(list.get("cursor")))) return;
    const { filas, cursor } = await answer.json();
    for (const row of filas) gone.delete(row.user);
    for (const row of filas) showRow(row);
    if (!cursor || past(placeOf(filas.at(-1)))) break;
    list.set("cursor", cursor);
  } while (gone.size);
  const leaving = [...gone].filter((user) => rowOf(user));
  for (const user of leaving) rowOf(user)?.classList.add("leaving");
  if (leaving.length || !inUse()) settle(leaving);
}

let before = false;
client.on("connection", async (detail) => {
  if (detail !== "online") return;
  if (before) {
    await catchUp();
    const user = open?.row.user;
    const thread = user && (await fetch(`/api/hilo?con=${encodeURIComponent(user)}`).catch(() => null));
    if (thread && thread.ok && open?.row.user === user) {
      const { fila, acciones } = await thread.json();
      showRow(fila);
      acciones.forEach(showLive);
    }
  }
  before = true;
});
actOnSeveral(showRow);
const look = shareLooks(client, page, {
  open: () => open?.row.conversacion ?? null,
  rowOf: (conversation) => rows.querySelector(`.pick input[value="${CSS.escape(conversation)}"]`)?.closest(".row") ?? null,
});
const go = takeLinks({ drawn, mark: (hash) => Boolean(open?.history.mark(hash)) });
if (page.row) open = openRow(page.row);
rememberSide();
for (const item of rows.children) showUnsent(item);
showUnsentElsewhere();
setInterval(() => {
  for (const ago of rows.querySelectorAll(".ago")) ago.textContent = times.ago(new Date(ago.dateTime));
}, 60_000);

client.connect();
