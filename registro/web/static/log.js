// Follows the log on its page: says how many events are new, and shows them when asked to.
import { element } from "./lines.js";
import { keepSession } from "./session.js";
import { count, say } from "./texts.js";

const EVERY = 3000;
const MOST = 500;
const EVENT = say("Event") + " "; // not in a template: what reads the texts out does not look there
const $ = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const all = () => /** @type {HTMLElement[]} */ ([...list.querySelectorAll(".event")]);
const list = $("events");
const button = $("new-events");
const { query, expires } = JSON.parse($("data").textContent || "{}");

/** @typedef {{nombre: string, enlace: string | null}} Party */
/** @typedef {{posicion: number, fecha: string, hora: string, dia: string, tipo: string, titulo: string,
 *   personas: Party[], texto: string, cita: boolean, borrado: boolean}} Event */

/** The position after which events are new. */
let last = Number(all()[0]?.dataset.position ?? 0);
let timer = 0;

/** @param {number} after @returns {Promise<{eventos: Event[], nuevos: number}>} */
async function ask(after) {
  const address = `/api/registro?${new URLSearchParams({ ...query, despues: String(after) })}`;
  const answer = await fetch(address);
  if (answer.status === 401) location.reload(); // the login is over: the page leads to another
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

async function look() {
  clearTimeout(timer);
  if (document.hidden) return; // a tab that nobody looks at asks for nothing
  try {
    const { nuevos } = await ask(last);
    if (nuevos) {
      const text = count("{number} new event", "{number} new events", nuevos);
      if (button.textContent !== text) button.textContent = text;
      button.hidden = false;
    }
  } catch {
    // The server is away: asked again at the next turn.
  }
  timer = setTimeout(look, EVERY);
}

/** @param {Party[]} parties */
function whom(parties) {
  const span = element("span", "whom");
  parties.forEach(({ nombre, enlace }, place) => {
    if (place) {
      const arrow = element("span", "", " → ");
      arrow.ariaHidden = "true";
      span.append(arrow);
    }
    const name = element("bdi", "", nombre);
    if (!enlace) return span.append(name);
    const link = element("a", "", "", name);
    link.setAttribute("href", enlace);
    span.append(link);
  });
  return span;
}

/** @param {Event} event */
function line(event) {
  const link = element("a", "position", "", element("span", "hidden", EVENT), String(event.posicion));
  link.href = `/admin/registro/${event.posicion}`;
  const time = element("time", "", event.hora);
  time.dateTime = event.fecha;
  const detail = element("span", event.cita ? "detail quote" : "detail", event.texto);
  detail.title = event.texto;
  detail.dir = "auto";
  const item = element("li", "event fresh", "", link, time, element("span", "what", event.titulo), whom(event.personas), detail);
  item.classList.toggle("erased", event.borrado);
  item.dataset.position = String(event.posicion);
  item.dataset.day = event.dia;
  item.dataset.kind = event.tipo.split(":")[0];
  return item;
}

/** Puts an event on top, under its day. @param {Event} event */
function add(event) {
  const item = line(event);
  const [first] = all();
  if (first?.dataset.day === event.dia) {
    first.before(item);
  } else {
    list.prepend(element("li", "date", "", element("h2", "", event.dia)), item);
  }
}

button.addEventListener("click", async () => {
  /** @type {Event[]} */
  let events;
  try {
    do {
      ({ eventos: events } = await ask(last));
      for (const event of events.reverse()) add(event);
      last = events.at(-1)?.posicion ?? last;
    } while (events.length === 50);
  } catch {
    return; // what came is there; the button asks again
  }
  $("empty").hidden = true;
  button.hidden = true;
  for (const old of all().slice(MOST)) old.remove();
  /** @type {HTMLElement | null} */ (list.querySelector(".fresh .position"))?.focus();
});

document.addEventListener("visibilitychange", look);
keepSession(expires, () => {});
timer = setTimeout(look, EVERY);
