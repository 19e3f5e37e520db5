// Calls the reader when a message comes and nobody looks: a number in the title, a dot on the icon, a
// sound, a notification on the desktop, each as the reader's preferences have it.

/** Milliseconds in which the tabs of one browser agree on who calls. */
const AGREE = 300;
/** Milliseconds between two sounds. */
const QUIET = 1000;
/** Characters of a message that a notification shows. */
const EXCERPT = 120;

/** @typedef {import("./chat-client.js").Message} Message */

/** Whether the reader looks at this page. */
const looking = () => document.visibilityState === "visible" && document.hasFocus();

/** Two short tones, made here: nothing is fetched. Browsers allow it once the page has been used. */
function ring() {
  const audio = new AudioContext();
  const volume = audio.createGain();
  volume.gain.setValueAtTime(0.12, audio.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.4);
  volume.connect(audio.destination);
  [660, 880].forEach((frequency, place) => {
    const tone = audio.createOscillator();
    tone.frequency.value = frequency;
    tone.connect(volume);
    tone.start(audio.currentTime + place * 0.12);
    tone.stop(audio.currentTime + 0.4);
  });
  setTimeout(() => audio.close(), QUIET);
}

/** The tabs of one browser: one of them calls, and none does while one is looked at. */
class Tabs {
  #own = Math.random();
  /** By message, the lowest number of a tab that would call; 0 where somebody looks.
   * @type {Map<string, number>} */
  #lowest = new Map();
  /** @type {BroadcastChannel | undefined} */ #channel;

  /** @param {string} me */
  constructor(me) {
    try {
      this.#channel = new BroadcastChannel(`registro:notify:${JSON.stringify(me)}`);
      this.#channel.onmessage = ({ data }) => this.#note(data.id, data.tab);
    } catch {
      // Alone, then.
    }
  }

  /** @param {string} id @param {number} tab */
  #note(id, tab) {
    this.#lowest.set(id, Math.min(tab, this.#lowest.get(id) ?? 1));
    setTimeout(() => this.#lowest.delete(id), 10 * AGREE);
  }

  /** @param {string} id @returns {Promise<"call" | "elsewhere" | "seen">} what this tab has to do */
  async ask(id) {
    const tab = looking() ? 0 : this.#own;
    this.#note(id, tab);
    this.#channel?.postMessage({ id, tab });
    await new Promise((resolve) => setTimeout(resolve, AGREE));
    const lowest = this.#lowest.get(id) ?? tab;
    return lowest === 0 ? "seen" : lowest === tab ? "call" : "elsewhere";
  }
}

/** @param {EventTarget & {on: Function}} client a ChatClient
 * @param {{me: string, admin: boolean, desk: string, names: Record<string, string>}} page */
export function notify(client, page) {
  const on = new Set((document.documentElement.dataset.notify ?? "").split(" "));
  const tabs = new Tabs(page.me);
  const icon = /** @type {HTMLLinkElement | null} */ (document.getElementById("icon"));
  const plain = { title: document.title, icon: icon?.href ?? "" };
  let missed = 0;
  let rang = -QUIET;

  /** Whether a message is news for the one who reads here: admins hear of what is written to the
   * desk, and not of each other's answers. @param {Message} message */
  const concerns = ({ de, para }) => de !== page.me && (!page.admin || para === page.desk || para === page.me);

  function show() {
    if (on.has("title")) document.title = missed ? `(${missed}) ${plain.title}` : plain.title;
    if (on.has("icon") && icon) icon.href = missed ? plain.icon.replace("favicon.svg", "favicon-news.svg") : plain.icon;
  }

  /** @param {Message} message */
  function call(message) {
    if (on.has("sound") && Date.now() - rang > QUIET) {
      rang = Date.now();
      ring();
    }
    if (on.has("desktop") && "Notification" in window && Notification.permission === "granted") tell(message);
  }

  /** @param {Message} message */
  function tell({ de, mensaje, conversacion, adjuntos }) {
    mensaje ||= (adjuntos ?? []).map((file) => `📎 ${file.nombre}`).join(", ");
    const text = [...mensaje];
    const body = text.length > EXCERPT ? `${text.slice(0, EXCERPT).join("")}…` : mensaje;
    // A conversation's next message takes the place of the one before it.
    const row = document.querySelector(`.row[data-user="${CSS.escape(de)}"] .name bdi`);
    const shown = new Notification(page.names[de] ?? row?.textContent ?? de, { body, tag: conversacion, icon: plain.icon });
    shown.onclick = () => {
      window.focus();
      const row = /** @type {HTMLElement | null} */ (document.querySelector(`.row[data-user="${CSS.escape(de)}"] a`));
      if (page.admin && row) row.click();
      else if (page.admin) location.assign(`/soporte?con=${encodeURIComponent(de)}`);
      shown.close();
    };
  }

  client.on("message", async (/** @type {Message} */ message) => {
    if (!concerns(message)) return;
    const found = await tabs.ask(message.id);
    if (found === "seen" || looking()) return;
    missed += 1;
    show();
    if (found === "call") call(message);
  });

  const seen = () => {
    if (!looking() || !missed) return;
    missed = 0;
    show();
  };
  document.addEventListener("registro:opened", () => {
    plain.title = document.title;
    show();
  });
  window.addEventListener("focus", seen);
  document.addEventListener("visibilitychange", seen);
}
