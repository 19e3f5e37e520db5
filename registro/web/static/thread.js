// One open thread on a page: its lines, the composer, and what the other side does.
import { attachments } from "./attachments.js";
import { ChatClient } from "./chat-client.js";
import { draftOf } from "./drafts.js";
import { History } from "./history.js";
import { Lines } from "./lines.js";
import { notify } from "./notify.js";
import { forget } from "./outbox.js";
import { keepSession } from "./session.js";
import { say } from "./texts.js";

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);
const READ_AFTER = 1000;
const TYPING_EVERY = 2000;
const TYPING_FOR = 4000;
/** Ids of what was written on this page, whichever thread was open. @type {Set<string>} */
const written = new Set();
/** Interruptions shorter than this are not worth a word. */
const AWAY_AFTER = 2000;

/** What the page knows at first. @returns {any} */
export const data = () => JSON.parse($("data").textContent);

/** Makes the client of this page, and shows whether it is connected.
 * @param {any} page @param {Record<string, number>} seen */
export function startClient(page, seen) {
  const client = new ChatClient({ io: /** @type {any} */ (window).io, me: page.me, seen });
  showState(client);
  notify(client, page);
  keepSession(page.expires, () => client.reconnect());
  return client;
}

/** Where a session that is over begins again. */
function login() {
  const link = document.createElement("a");
  link.href = `/login?returnTo=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = say("Log in again");
  return link;
}

/** @param {() => Node} again @returns {Record<string, () => (Node | string)[]>} */
const notices = (again) => ({
  ended: () => [say("Your session is over. What you wrote is kept."), " ", again()],
  away: () => [say("There is no connection. What you write is kept here, and sent when it is back.")],
  unsaved: () => [say("This browser keeps nothing: leave the page open until everything is sent.")],
});

/** Says what is wrong, the worst alone.
 * @param {ChatClient} client @param {() => Node} again makes what leads on when the session is over */
export function showState(client, again = login) {
  const words = { online: "", offline: say("Connecting…"), refused: say("Not available") };
  const is = { ended: false, away: false, unsaved: false };
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let leaving;
  let shown = "";
  const update = () => {
    const unsaved = is.unsaved && client.pending > 0;
    const worst = is.ended ? "ended" : is.away ? "away" : unsaved ? "unsaved" : "";
    if (worst === shown) return;
    shown = worst;
    show();
  };
  const show = () => {
    const banner = $("banner") ?? $("connection"); // they come and go with the thread
    banner.replaceChildren(...(notices(again)[shown]?.() ?? []));
    banner.hidden = !shown && banner.id === "banner";
  };
  document.addEventListener("registro:opened", () => shown && show());
  client.on("connection", (detail) => {
    if (detail === "online") {
      clearTimeout(leaving);
      leaving = undefined;
      Object.assign(is, { ended: false, away: false });
    } else leaving ??= setTimeout(() => ((is.away = true), update()), AWAY_AFTER);
    update();
    if ($("banner") || !shown) $("connection").textContent = is.ended ? "" : words[detail];
  });
  client.on("ended", ({ motivo }) => {
    is.ended = true;
    if (motivo === "borrado") forgetAll(client.me);
    $("connection").textContent = "";
    update();
  });
  client.on("unsaved", () => ((is.unsaved = true), update()));
  client.on("outbox", update);
  // Somebody may have logged in again in another tab.
  window.addEventListener("focus", () => is.ended && client.reconnect());
}

/** Who is erased, or leaves, has nothing left to send. @param {string} me */
export function forgetAll(me) {
  try {
    forget(localStorage, me);
  } catch {
    // The browser keeps nothing.
  }
}

/** Brings a user's own thread with the desk to life.
 * @param {ChatClient} client @param {any} page what it knew at first @param {(seq: number) => string} [place] */
export function openOwnThread(client, page, place) {
  return openThread({
    client, page, place, para: page.desk, conversation: page.row?.conversacion ?? null,
    ours: (user) => user === page.me, guard: false, read: page.row?.leido_usuario ?? 0,
  });
}

/** Brings the thread on the page to life, until `signal` ends it.
 * @param {{client: ChatClient, page: any, para: string, conversation: string | null,
 *          ours: (user: string) => boolean, guard: boolean, read: number,
 *          place?: (seq: number) => string, signal?: AbortSignal}} options
 * With `guard`, an answer that something unseen has overtaken is held back; `read` is our side's read
 * mark, `place` gives a message's address, where messages have one. */
export function openThread({ client, page, para, conversation, ours, guard, read, place, signal = new AbortController().signal }) {
  /** @template {keyof import("./chat-client.js").Events} T
   * @param {T} type @param {(detail: import("./chat-client.js").Events[T]) => unknown} listener */
  const on = (type, listener) =>
    client.addEventListener(type, (event) => listener(/** @type {CustomEvent} */ (event).detail), { signal });
  const lines = new Lines({
    list: $("lines"), log: $("log"), empty: $("empty"), ours, names: page.names, place,
    retry: (id) => client.retry(id), discard: (id) => client.discard(id), rest: () => $("text"),
  });
  const showUnsent = () => {
    for (const outgoing of client.outbox) if (outgoing.para === para) lines.outgoing(outgoing, page.me);
  };
  const history = new History({
    lines, read, signal,
    newest: () => Math.max(lines.last, (conversation && client.seen[conversation]) || 0),
    mend: () => {
      showUnsent();
      if (conversation) client.follow(conversation, lines.last);
      tellRead();
    },
  });
  /** The last message that was on this screen: what an answer answers. */
  let seen = lines.last;
  /** Whoever has no conversation with the desk yet learns which it is from its first message.
   * @param {{conversacion: string, para?: string, de?: string}} what */
  const concerns = (what) => {
    const { de = "", para: to } = what;
    if (de === page.me ? to === para : to === page.me && de in page.names) conversation ??= what.conversacion;
    return what.conversacion === conversation;
  };
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let reading;
  const looking = () => document.visibilityState === "visible" && document.hasFocus() && lines.atEnd;
  /** Up to where it is read. That is said once: what somebody marks as unread later is not read again by
   * who has it open all the while. */
  let told = read ?? 0;
  const sayRead = () => {
    if (!looking() || !conversation || lines.last <= told) return;
    told = lines.last;
    client.read(conversation, told);
  };
  /** Opening is not reading: the end of the thread has to be looked at for a moment. */
  const tellRead = () => {
    seen = Math.max(seen, lines.last);
    clearTimeout(reading);
    reading = setTimeout(sayRead, READ_AFTER);
  };

  on("message", (message) => {
    if (!concerns(message)) return;
    lines.add(message);
    history.update();
    if (!ours(message.de)) showTyping("");
    tellRead();
  });
  on("outgoing", (outgoing) => outgoing.para === para && lines.outgoing(outgoing, page.me));
  on("removed", ({ id }) => lines.remove(id));
  on("erased", (what) => concerns(what) && lines.erase(what.seq));
  on("read", (what) => concerns(what) && !ours(what.de) && lines.read(what.seq));
  for (const type of ["focus", "pointerdown"]) window.addEventListener(type, tellRead, { signal });
  document.addEventListener("visibilitychange", tellRead, { signal });
  $("log").addEventListener("scroll", tellRead, { passive: true, signal });
  if (lines.whole) showUnsent();
  tellRead();

  const typing = $("typing");
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let typingEnds;
  /** @param {string} text */
  function showTyping(text) {
    clearTimeout(typingEnds);
    if (typing) typing.textContent = text;
    if (text) typingEnds = setTimeout(() => showTyping(""), TYPING_FOR);
  }
  on("typing", (what) => {
    if (concerns(what)) showTyping(say("{name} is writing…", { name: page.names[what.de] ?? what.de }));
  });
  signal.addEventListener("abort", () => {
    clearTimeout(reading);
    clearTimeout(typingEnds);
  });

  if ($("composer")) compose();

  function compose() {
    const form = $("composer");
    const text = $("text");
    const draft = draftOf(page.me, para);
    const files = attachments({ me: page.me, para, submit: () => form.requestSubmit() });
    // Whoever began before the scripts were there goes on with that.
    if (text.value) draft.text = text.value;
    else text.value = draft.text;
    const fit = () => {
      text.rows = Math.min(8, text.value.split("\n").length);
    };
    const keep = () => (draft.text = text.value);
    let said = 0;
    text.addEventListener("input", () => {
      fit();
      keep();
      $("composer-problem").textContent = "";
      if (text.value && Date.now() - said > TYPING_EVERY && client.typing(para)) said = Date.now();
    });
    text.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    form.addEventListener("submit", (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      submit();
    });
    $("send-anyway").addEventListener("click", submit);
    // What was overtaken goes back to where it was written, if there is room for it.
    on("outgoing", ({ id, para: to, state, codigo, mensaje, adjuntos }) => {
      if (to !== para || state !== "failed" || codigo !== "hay_novedades" || !written.has(id) || text.value) return;
      client.discard(id);
      files.putBack(adjuntos ?? []);
      text.value = mensaje;
      fit();
      keep();
      $("news").hidden = false;
      text.focus();
      history.toNewest();
    });
    fit();

    function submit() {
      const mensaje = text.value;
      $("news").hidden = true;
      if ((!mensaje.trim() && !files.any) || !files.ready()) return;
      if ([...mensaje].length > 4000) {
        $("composer-problem").textContent = say("The message is too long: 4,000 characters fit.");
        return;
      }
      const waiting = client.outbox.some((one) => one.para === para && one.state === "sending");
      written.add(client.send({ para, mensaje, visto: guard && !waiting ? seen : undefined, adjuntos: files.take() }).id);
      text.value = "";
      fit();
      keep();
      text.focus();
      if (!lines.whole) history.toNewest();
    }
  }
  return { lines, history };
}
