// One open thread on a page: its lines, the composer, and what the other side does.
import { ChatClient } from "./chat-client.js";
import { Lines } from "./lines.js";
import { keepSession } from "./session.js";
import { say } from "./texts.js";

const $ = (id) => document.getElementById(id);
const READ_AFTER = 1000;
const TYPING_EVERY = 2000;
const TYPING_FOR = 4000;

/** What the page knows at first. @returns {any} */
export const data = () => JSON.parse($("data").textContent);

/** Makes the client of this page, and shows whether it is connected. */
export function startClient(page, seen) {
  const client = new ChatClient({ io: window.io, me: page.me, seen });
  const words = { online: "", offline: say("Connecting…"), refused: say("Not available") };
  client.addEventListener("connection", ({ detail }) => ($("connection").textContent = words[detail]));
  client.addEventListener("ended", () => {
    const banner = $("banner") ?? $("connection");
    const link = document.createElement("a");
    link.href = `/login?returnTo=${encodeURIComponent(location.pathname + location.search)}`;
    link.textContent = say("Log in again");
    banner.replaceChildren(say("Your session is over. What you wrote is kept."), " ", link);
    banner.hidden = false;
  });
  keepSession(page.expires, () => client.reconnect());
  return client;
}

/** Brings the thread on the page to life.
 * @param {{client: ChatClient, page: any, para: string, conversation: string | null,
 *          ours: (user: string) => boolean, guard: boolean}} options
 * With `guard`, an answer that something unseen has overtaken is held back. */
export function openThread({ client, page, para, conversation, ours, guard }) {
  /** @type {Map<string, any>} */ const outgoing = new Map();
  const lines = new Lines({
    list: $("lines"), log: $("log"), empty: $("empty"), ours, names: page.names,
    retry: (id) => client.retry(outgoing.get(id)),
    discard: (id) => {
      outgoing.delete(id);
      lines.remove(id);
    },
  });
  const concerns = (what) => {
    conversation ??= what.para === para && what.de === page.me ? what.conversacion : null;
    return what.conversacion === conversation;
  };
  let told = 0;
  let reading;
  const looking = () => document.visibilityState === "visible" && document.hasFocus() && lines.atEnd;
  /** Opening is not reading: the end of the thread has to be looked at for a moment. */
  const tellRead = () => {
    clearTimeout(reading);
    reading = setTimeout(() => {
      const seq = lines.last;
      if (!looking() || !conversation || seq <= told) return;
      told = seq;
      client.read(conversation, seq);
    }, READ_AFTER);
  };

  client.addEventListener("message", ({ detail }) => {
    if (!concerns(detail)) return;
    lines.add(detail);
    if (!ours(detail.de)) showTyping("");
    tellRead();
  });
  client.addEventListener("outgoing", ({ detail }) => {
    outgoing.set(detail.id, detail);
    lines.outgoing(detail, page.me);
  });
  client.addEventListener("erased", ({ detail }) => concerns(detail) && lines.erase(detail.seq));
  client.addEventListener("read", ({ detail }) => concerns(detail) && !ours(detail.de) && lines.read(detail.seq));
  client.addEventListener("connection", ({ detail }) => {
    if (detail === "online") {
      told = 0;
      tellRead();
    }
  });
  for (const type of ["focus", "pointerdown"]) window.addEventListener(type, tellRead);
  document.addEventListener("visibilitychange", tellRead);
  $("log").addEventListener("scroll", tellRead, { passive: true });

  const typing = $("typing");
  let typingEnds;
  function showTyping(text) {
    clearTimeout(typingEnds);
    if (typing) typing.textContent = text;
    if (text) typingEnds = setTimeout(() => showTyping(""), TYPING_FOR);
  }
  client.addEventListener("typing", ({ detail }) => {
    if (concerns(detail)) showTyping(say("{name} is writing…", { name: page.names[detail.de] ?? detail.de }));
  });

  if ($("composer")) compose();

  function compose() {
    const form = $("composer");
    const text = $("text");
    const draft = `draft:${page.me}:${para}`;
    text.value = localStorage.getItem(draft) ?? "";
    const fit = () => {
      text.rows = Math.min(8, text.value.split("\n").length);
    };
    const keep = () => (text.value ? localStorage.setItem(draft, text.value) : localStorage.removeItem(draft));
    let said = 0;
    text.addEventListener("input", () => {
      fit();
      keep();
      $("composer-problem").textContent = "";
      if (text.value && Date.now() - said > TYPING_EVERY && client.typing(para)) said = Date.now();
    });
    text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      submit();
    });
    $("send-anyway").addEventListener("click", submit);
    client.addEventListener("overtaken", ({ detail }) => {
      outgoing.delete(detail.outgoing.id);
      lines.remove(detail.outgoing.id);
      if (!text.value) text.value = detail.outgoing.mensaje;
      fit();
      keep();
      $("news").hidden = false;
      text.focus();
    });
    fit();

    function submit() {
      const mensaje = text.value;
      $("news").hidden = true;
      if (!mensaje.trim()) return;
      if ([...mensaje].length > 4000) {
        $("composer-problem").textContent = say("The message is too long: 4,000 characters fit.");
        return;
      }
      client.send({ para, mensaje, ...(guard && !client.pending && { visto: lines.last }) });
      text.value = "";
      fit();
      keep();
      text.focus();
    }
  }
  return lines;
}
