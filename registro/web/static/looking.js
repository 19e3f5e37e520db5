// Which other admins look at which conversation, and who of them writes: on the rows, and in the head of
// the open thread.
import { element, initials, tone } from "./lines.js";
import { say } from "./texts.js";

/** Milliseconds after which the server is told again, and after which somebody is forgotten. */
const AGAIN = 25_000;
const KEPT = 60_000;
const WRITES_FOR = 4000;

/** @typedef {{pagina: string, user: string, name: string, conversacion: string | null, escribe: boolean}} Look */

/** @param {import("./chat-client.js").ChatClient} client @param {{me: string}} page
 * @param {{open: () => string | null, rowOf: (conversation: string) => HTMLElement | null}} list
 * `open` gives the conversation that is open here
 * @returns {() => void} says that another one is open now */
export function shareLooks(client, page, { open, rowOf }) {
  /** By page. @type {Map<string, Look & {at: number, wrote: number}>} */
  const looks = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let later;

  /** @param {Look} look */
  const note = (look) => {
    const before = looks.get(look.pagina);
    looks.delete(look.pagina);
    const now = Date.now();
    if (look.conversacion && look.user !== page.me) looks.set(look.pagina, { ...look, at: now, wrote: look.escribe ? now : 0 });
    for (const conversation of new Set([before?.conversacion, look.conversacion])) if (conversation) show(conversation);
    if (look.escribe) setTimeout(() => look.conversacion && show(look.conversacion), WRITES_FOR + 100);
  };

  /** Who looks at a conversation, each once. @param {string} conversation */
  const at = (conversation) => {
    /** @type {Map<string, {user: string, name: string, writes: boolean}>} */ const people = new Map();
    const now = Date.now();
    for (const { user, name, conversacion, at, wrote } of looks.values()) {
      if (conversacion !== conversation || now - at > KEPT) continue;
      people.set(user, { user, name, writes: now - wrote < WRITES_FOR || Boolean(people.get(user)?.writes) });
    }
    return [...people.values()];
  };

  /** @param {{name: string, writes: boolean}} one */
  const words = ({ name, writes }) => (writes ? say("{name} is writing…", { name }) : say("{name} is looking", { name }));

  /** @param {string} conversation */
  function show(conversation) {
    const people = at(conversation);
    const place = rowOf(conversation)?.querySelector(".lookers");
    place?.replaceChildren(...people.slice(0, 3).map((one) => {
      const picture = element("span", `avatar tiny ${tone(one.user)}${one.writes ? " writes" : ""}`, "", initials(one.name));
      picture.title = words(one);
      picture.setAttribute("aria-hidden", "true");
      return element("span", "", "", picture, element("span", "hidden", " " + words(one)));
    }));
    const head = document.getElementById("lookers");
    if (!head || open() !== conversation) return;
    const text = people.map(words).join(" · ");
    if (head.textContent !== text) head.textContent = text;
    head.hidden = !text;
  }

  const showAll = () => {
    const shown = new Set([...looks.values()].map((look) => look.conversacion ?? ""));
    for (const [page, look] of looks) if (Date.now() - look.at > KEPT) looks.delete(page);
    for (const conversation of shown) show(conversation);
  };

  const tell = () => {
    clearTimeout(later);
    later = setTimeout(tell, AGAIN);
    if (!client.socket.connected) return;
    const conversacion = document.visibilityState === "visible" ? open() : null;
    client.socket.emit("mirando", { conversacion }, (/** @type {any} */ answer) => {
      for (const look of answer?.mirando ?? []) if (!looks.has(look.pagina)) note(look);
    });
  };

  client.socket.on("mirando", note);
  client.socket.on("connect", () => {
    looks.clear();
    for (const shown of document.querySelectorAll(".lookers")) shown.replaceChildren();
    tell();
  });
  document.addEventListener("visibilitychange", tell);
  document.addEventListener("registro:opened", showAll);
  setInterval(showAll, KEPT / 4);
  return () => {
    clearTimeout(later);
    later = setTimeout(tell, 150); // who walks through the list looks at none of it
  };
}
