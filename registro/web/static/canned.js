// Canned answers in the composer of the inbox: a list that "/" in an empty composer opens, and a button.
import { element } from "./lines.js";
import { count, say } from "./texts.js";

/** @typedef {{id: string, titulo: string, texto: string}} Answer */

/** Milliseconds after which the answers are asked for anew. */
const FRESH = 60_000;
/** How many the list shows at most. */
const SHOWN = 50;

/** @type {{at: number, answers: Answer[] | null}} */
const kept = { at: -FRESH, answers: null };

/** Gets the answers, unless it has just been done; without a connection those from before stay. */
async function load() {
  if (performance.now() - kept.at < FRESH) return;
  const answer = await fetch("/api/respuestas").catch(() => null);
  if (!answer?.ok) return;
  kept.answers = (await answer.json()).respuestas;
  kept.at = performance.now();
}

/** In small letters and without accents. @param {string} text */
const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

/** How well an answer fits what was typed: 0 is best, 4 not at all. @param {Answer} answer @param {string} typed */
function rank(answer, typed) {
  const title = plain(answer.titulo);
  if (title.startsWith(typed)) return 0;
  if (title.split(/\s+/).some((word) => word.startsWith(typed))) return 1;
  if (title.includes(typed)) return 2;
  return plain(answer.texto).includes(typed) ? 3 : 4;
}

/** The answers that fit, the best first. @param {Answer[]} answers @param {string} text */
function matching(answers, text) {
  const typed = plain(text.trim());
  const ranked = answers.map((answer) => ({ answer, rank: rank(answer, typed) })).filter((one) => one.rank < 4);
  return ranked.sort((a, b) => a.rank - b.rank).slice(0, SHOWN).map((one) => one.answer);
}

/** @param {string} text @param {Record<string, string>} values */
const fill = (text, values) => text.replace(/\{(nombre|admin)\}/g, (_, /** @type {string} */ name) => values[name]);

/** Offers canned answers in the composer, until `signal` ends it.
 * @param {Record<string, string>} values what takes the place of `{nombre}` and `{admin}` @param {AbortSignal} signal */
export function offerAnswers(values, signal) {
  const text = /** @type {HTMLTextAreaElement | null} */ (document.getElementById("text"));
  if (text?.form) new Picker(text, text.form, values, signal);
}

class Picker {
  /** "slash" while what follows a slash chooses, "button" while the composer's text stays as it is. */
  #open = /** @type {"" | "slash" | "button"} */ ("");
  #before;
  #chosen = 0;
  /** @type {Answer[]} */ #matches = [];

  /** @param {HTMLTextAreaElement} text @param {HTMLFormElement} form @param {Record<string, string>} values
   * @param {AbortSignal} signal */
  constructor(text, form, values, signal) {
    this.text = text;
    this.values = values;
    this.#before = text.value;
    this.list = element("ul", "options");
    Object.assign(this.list, { id: "answers", role: "listbox" });
    this.list.setAttribute("aria-label", say("Canned answers"));
    this.status = element("p", "hint");
    this.status.setAttribute("role", "status");
    const manage = element("a", "", say("Edit the answers"));
    manage.href = "/admin/respuestas";
    this.box = element("div", "answers", "", this.list, element("div", "foot", "", this.status, manage));
    this.box.hidden = true;
    form.before(this.box);
    this.button = element("button", "button canned", "/");
    Object.assign(this.button, { type: "button", title: say("Canned answers") });
    this.button.setAttribute("aria-label", say("Canned answers"));
    this.button.setAttribute("aria-expanded", "false");
    text.before(this.button);
    for (const [name, value] of [["autocomplete", "list"], ["haspopup", "listbox"], ["controls", "answers"]]) {
      text.setAttribute(`aria-${name}`, value);
    }
    this.#listen(form, signal);
  }

  /** @param {HTMLFormElement} form @param {AbortSignal} signal */
  #listen(form, signal) {
    this.text.addEventListener("focus", load, { signal });
    this.text.addEventListener("beforeinput", () => (this.#before = this.text.value), { signal });
    this.text.addEventListener("input", () => this.#typed(), { signal });
    form.addEventListener("submit", () => {
      this.#before = this.text.value;
      this.#close();
    }, { signal });
    // Before the composer and the page hear of the key: Enter would send.
    form.addEventListener("keydown", (event) => this.#pressed(event), { signal, capture: true });
    this.button.addEventListener("click", (event) => this.#toggle(event), { signal });
    for (const held of [this.list, this.button]) {
      held.addEventListener("mousedown", (event) => event.preventDefault(), { signal }); // keeps the focus
    }
    this.list.addEventListener("click", (event) => {
      const place = [...this.list.children].findIndex((option) => option.contains(/** @type {Node} */ (event.target)));
      if (place >= 0) this.#insert(this.#matches[place]);
    }, { signal });
    for (const type of ["pointerdown", "focusin"]) {
      document.addEventListener(type, (event) => {
        const within = [this.box, form].some((part) => part.contains(/** @type {Node} */ (event.target)));
        if (this.#open && !within) this.#close();
      }, { signal });
    }
  }

  #typed() {
    const { value } = this.text;
    const before = this.#before;
    this.#before = value;
    if (before === "/" && value === "//" && this.#open === "slash") {
      this.#write("/", 0, 2); // a slash that is only a slash
      return this.#close();
    }
    if (value === "/" && before === "") return this.#show("slash");
    if (this.#open === "slash" && value.startsWith("/") && !value.includes("\n")) return this.#draw();
    if (this.#open) this.#close();
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (!this.#open || event.isComposing || event.target !== this.text) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    /** @type {Record<string, () => void>} */
    const does = {
      ArrowDown: () => this.#choose(this.#chosen + 1),
      ArrowUp: () => this.#choose(this.#chosen - 1),
      Enter: () => this.#insert(this.#matches[this.#chosen]), // where nothing fits, nothing is sent either
      Escape: () => this.#close(),
    };
    if (this.#matches.length) does.Tab = does.Enter;
    if (!does[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    does[event.key]();
  }

  /** @param {MouseEvent} event */
  #toggle(event) {
    if (this.#open) return this.#close();
    this.#show("button");
    // On a touch screen the focus would bring the keyboard up over the list.
    if (event.detail === 0 || matchMedia("(pointer: fine)").matches) this.text.focus();
  }

  /** @param {"slash" | "button"} how */
  async #show(how) {
    this.#open = how;
    this.#draw();
    await load();
    if (this.#open) this.#draw();
  }

  #close() {
    this.#open = "";
    this.box.hidden = true;
    this.#matches = [];
    this.text.removeAttribute("aria-activedescendant");
    this.button.setAttribute("aria-expanded", "false");
  }

  #draw() {
    this.#matches = matching(kept.answers ?? [], this.#open === "slash" ? this.text.value.slice(1) : "");
    this.list.replaceChildren(...this.#matches.map((answer, place) => this.#option(answer, place)));
    this.list.hidden = this.#matches.length === 0;
    this.status.textContent = this.#words();
    this.box.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.#choose(0);
  }

  #words() {
    if (!kept.answers) return navigator.onLine ? say("Loading…") : say("There is no connection.");
    if (!kept.answers.length) return say("There are no canned answers yet.");
    if (!this.#matches.length) return say("No answer is like that. Esc leaves what you typed.");
    return count("{number} answer", "{number} answers", this.#matches.length);
  }

  /** @param {Answer} answer @param {number} place */
  #option(answer, place) {
    const title = element("b", "", "", element("bdi", "", answer.titulo));
    const preview = element("span", "preview", fill(answer.texto, this.values));
    preview.dir = "auto";
    return Object.assign(element("li", "", "", title, " ", preview), { id: `answer-${place}`, role: "option" });
  }

  /** @param {number} place */
  #choose(place) {
    const options = [...this.list.children];
    if (!options.length) return this.text.removeAttribute("aria-activedescendant");
    this.#chosen = (place + options.length) % options.length;
    options.forEach((option, at) => option.setAttribute("aria-selected", String(at === this.#chosen)));
    options[this.#chosen].scrollIntoView({ block: "nearest" });
    this.text.setAttribute("aria-activedescendant", options[this.#chosen].id);
  }

  /** @param {Answer | undefined} answer */
  #insert(answer) {
    if (!answer) return;
    const whole = this.#open === "slash";
    this.#close();
    const [start, end] = whole ? [0, this.text.value.length] : [this.text.selectionStart, this.text.selectionEnd];
    this.#write(fill(answer.texto, this.values), start, end);
    this.text.focus();
  }

  /** Writes as if it had been typed: the composer keeps it as a draft and grows with it.
   * @param {string} words @param {number} start @param {number} end */
  #write(words, start, end) {
    this.text.setRangeText(words, start, end, "end");
    this.#before = this.text.value;
    this.text.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
