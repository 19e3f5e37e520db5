// What is done to several conversations of the list at once: which are selected, and undoing it.
import { tell } from "./desk.js";
import { count, say } from "./texts.js";

/** @typedef {Record<string, any>} Row */

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);

/** @returns {HTMLInputElement[]} */
const boxes = () => [...document.querySelectorAll(/** @type {"input"} */ (".pick input"))];
const chosen = () => boxes().filter((box) => box.checked);

/** Sends one request; null when that did not work. @param {Record<string, unknown>} order */
async function send(order) {
  const answer = await fetch("/api/conversaciones/varias", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(order),
  }).catch(() => null);
  return answer?.ok ? answer.json() : null;
}

/** The reverse of an order for a row, as it was before.
 * @param {Record<string, string>} order @param {Row} before @returns {Record<string, string>} */
function reverse({ que, etiqueta }, before) {
  if (que === "asignar") return { que, a: before.asignada };
  if (que === "etiquetar") return { que: "desetiquetar", etiqueta };
  if (que === "desetiquetar") return { que: "etiquetar", etiqueta };
  if (que === "sin-leer") return { que: "leer", seq: String(before.leido_hasta) };
  if (que === "leer") return { que: "sin-leer", desde: String(before.leido_hasta + 1) };
  return { que: before.estado, hasta: before.pospuesta_hasta ?? "" };
}

/** Orders that undo what was done, one for all rows that were alike.
 * @param {Record<string, string>} order @param {{antes: Row}[]} done */
function reverses(order, done) {
  /** @type {Map<string, string[]>} */ const alike = new Map();
  for (const { antes } of done) {
    const key = JSON.stringify(reverse(order, antes));
    alike.set(key, [...(alike.get(key) ?? []), antes.conversacion]);
  }
  return [...alike].map(([back, conversacion]) => ({ ...JSON.parse(back), conversacion }));
}

/** Brings boxes and bar to life. @param {(row: Row) => void} showRow */
export function actOnSeveral(showRow) {
  const form = $("bulk");
  if (!form) return;
  /** The box that was ticked last: where a range begins. @type {HTMLInputElement | null} */
  let last = null;

  const show = () => {
    const number = chosen().length;
    $("chosen").textContent = number ? count("{number} selected", "{number} selected", number) : "";
    $("choose-all").hidden = number === boxes().length;
  };

  $("rows").addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const box = event.target;
    if (!(box instanceof HTMLInputElement)) return;
    if (event.shiftKey && last?.isConnected) {
      const all = boxes();
      const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((one, other) => one - other);
      for (const between of all.slice(from, to + 1)) between.checked = box.checked;
    }
    last = box;
    show();
  });
  $("choose-all").addEventListener("click", () => {
    for (const box of boxes()) box.checked = true;
    show();
  });
  form.addEventListener("reset", () => {
    const [first] = chosen();
    for (const box of boxes()) box.checked = false;
    setTimeout(show);
    if (form.contains(document.activeElement)) first?.focus(); // the bar goes; who is elsewhere stays there
  });
  document.addEventListener("registro:opened", show);
  form.addEventListener("submit", async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const fields = new FormData(form, event.submitter);
    const order = Object.fromEntries([...fields].map(([name, value]) => [name, String(value)]));
    delete order.vuelta;
    if (order.que !== "pospuesta") delete order.hasta;
    if (await act(order, fields.getAll("conversacion"))) form.reset();
  });
  // The number of unread messages marks them as read, where one can point so exactly.
  $("rows").addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const pill = /** @type {Element} */ (event.target).closest(".pill");
    if (!pill || !matchMedia("(pointer: fine)").matches || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const box = /** @type {HTMLInputElement} */ (pill.closest(".row")?.querySelector(".pick input"));
    act({ que: "leer" }, [box.value]);
  });

  /** Does something, and tells; whether it worked.
   * @param {Record<string, string>} order @param {FormDataEntryValue[]} conversacion */
  async function act(order, conversacion) {
    const answer = await send({ ...order, conversacion });
    if (answer) report(answer, reverses(order, answer.hechas));
    else tell(say("That did not work. Try again."), null);
    return Boolean(answer);
  }

  /** @param {{hechas: {fila: Row}[], fallidas: unknown[]}} answer @param {Record<string, unknown>[]} backs */
  function report({ hechas, fallidas }, backs) {
    for (const { fila } of hechas) showRow(fila);
    const nothing = !hechas.length && !fallidas.length;
    const words = nothing
      ? [say("Nothing to change: they were like that already.")]
      : [count("{number} conversation changed.", "{number} conversations changed.", hechas.length)];
    if (fallidas.length) words.push(count("{number} was refused.", "{number} were refused.", fallidas.length));
    tell(words.join(" "), backs.length ? () => undo(backs) : null);
  }

  /** @param {Record<string, unknown>[]} backs */
  async function undo(backs) {
    const answers = await Promise.all(backs.map(send));
    for (const answer of answers) for (const { fila } of answer?.hechas ?? []) showRow(fila);
    tell(answers.every(Boolean) ? say("Done.") : say("That did not work. Try again."), null);
  }
  show();
}
