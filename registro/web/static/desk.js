// What admins do to the conversation that is open: its controls, and lines of what was done.
import { element } from "./lines.js";
import { say } from "./texts.js";
import * as times from "./times.js";

/**
 * @typedef {Record<string, string>} Fields
 * @typedef {{conversacion: string, posicion: number, tipo: string, de: string, fecha: string, valor: string,
 *            hasta: string | null, borrado: boolean, nombres: Record<string, string>}} Action
 */

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);
const TOLD_FOR = 8000;

/** What each status is called. @type {Record<string, () => string>} */
export const STATUSES = {
  abierta: () => say("Open"),
  pendiente: () => say("Pending"),
  resuelta: () => say("Resolved"),
  pospuesta: () => say("Snoozed"),
};

/** Does something to a conversation. Resolves to its row, or to null when that did not work.
 * @param {string} conversation @param {string} what @param {Fields} fields */
async function deed(conversation, what, fields) {
  const answer = await fetch(`/api/conversaciones/${conversation}/${what}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(fields),
  }).catch(() => null);
  return answer?.ok ? (await answer.json()).fila : null;
}

/** The reverse of something, for who changes their mind; null where there is none.
 * @param {string} what @param {Fields} fields @param {any} before the row before it
 * @returns {Fields | null} */
function reverse(what, fields, before) {
  if (what === "asignar") return { a: before.asignada };
  if (what === "estado") return { estado: before.estado, hasta: before.pospuesta_hasta ?? "" };
  if (what === "etiquetas") return { poner: fields.quitar ?? "", quitar: fields.poner ?? "" };
  return null;
}

const toast = $("toast");

/** It stands where it covers nothing: in the line above the composer that is kept free. Where no thread
 * is open, `.split > .toast` finds it a place. */
function placeToast() {
  if (toast) ($("signs") ?? $("main")).append(toast);
}
placeToast();
document.addEventListener("registro:opened", placeToast); // the thread that it stood in may be gone

/** @type {ReturnType<typeof setTimeout> | undefined} */ let told;

/** Tells what became of something, for some seconds; `undo` is offered with it.
 * @param {string} words @param {(() => void) | null} undo */
export function tell(words, undo) {
  toast.replaceChildren(words);
  if (undo) {
    const button = element("button", "link", say("Undo"));
    button.type = "button";
    button.addEventListener("click", () => ((toast.hidden = true), undo()));
    toast.append(" ", button);
  }
  toast.hidden = false;
  const end = () => {
    // Who is about to press the button is not to miss it.
    if (toast.matches(":hover") || toast.contains(document.activeElement)) told = setTimeout(end, 1000);
    else toast.hidden = true;
  };
  clearTimeout(told);
  told = setTimeout(end, TOLD_FOR);
}

/** Brings the controls to life, until `signal` ends it.
 * @param {any} row that of the open conversation
 * @param {(row: any) => void} changed called with the row that came of it
 * @param {() => void} leave goes back to the list @param {AbortSignal} signal
 * @returns {(row: any) => void} shows another state of the row */
export function openDesk(row, changed, leave, signal) {
  let now = row;
  /** @param {string} what @param {Fields} fields @param {boolean} undoable */
  const act = async (what, fields, undoable) => {
    const before = now;
    const after = await deed(row.conversacion, what, fields);
    if (!after) {
      if (!signal.aborted) show(before);
      tell(say("That did not work. Try again."), null);
      return false;
    }
    changed(after);
    const back = undoable ? reverse(what, fields, before) : null;
    tell(say("Done."), back && (() => void act(what, back, false)));
    return true;
  };

  /** @param {any} after */
  const show = (after) => {
    now = after;
    showControls(after);
  };

  document.addEventListener("submit", async (event) => {
    const form = /** @type {HTMLFormElement} */ (event.target);
    const what = form.dataset.deed;
    if (!what) return;
    event.preventDefault();
    const fields = Object.fromEntries([...new FormData(form, event.submitter)].map(([name, value]) => [name, String(value)]));
    delete fields.vuelta;
    if (!(await act(what, fields, true))) return;
    if (signal.aborted) return;
    if (what === "sin-leer") leave();
    const menu = /** @type {HTMLDetailsElement | null} */ (form.closest("details"));
    if (!menu) return;
    form.reset();
    menu.open = false;
    menu.querySelector("summary")?.focus();
  }, { signal });
  $("assignee")?.addEventListener("change", () => act("asignar", { a: $("assignee").value }, true));
  for (const button of $("desk")?.querySelectorAll("[data-plain]") ?? []) button.remove();
  return show;
}

/** Menus close when one turns to something else, and on Escape. */
export function closeMenus() {
  /** @returns {HTMLDetailsElement[]} */
  const opened = () => [...document.querySelectorAll(/** @type {"details"} */ ("details.menu[open]"))];
  for (const type of ["pointerdown", "focusin"]) {
    document.addEventListener(type, (event) => {
      for (const menu of opened()) if (!menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of opened()) {
      event.preventDefault(); // it does not also leave what is behind the menu
      menu.open = false;
      menu.querySelector("summary")?.focus();
    }
  });
}

/** @param {any} row */
function showControls(row) {
  if (!$("desk")) return;
  const assignee = $("assignee");
  assignee.value = row.asignada;
  if (assignee.selectedIndex < 0) assignee.add(new Option(row.asignada, row.asignada, true, true));
  $("status").textContent = STATUSES[row.estado]();
  $("status").dataset.status = row.estado;
  const focused = document.activeElement;
  for (const button of $("desk").querySelectorAll("button[name=estado]")) {
    button.hidden = button.value === row.estado;
    if (button.hidden && button === focused) button.parentElement.querySelector("button:not([hidden])").focus();
  }
  const labels = $("labels");
  const inLabels = labels.contains(focused);
  labels.replaceChildren(...row.etiquetas.map((/** @type {string} */ label) => labelOf(row, label)));
  if (inLabels) $("label-menu").querySelector("summary").focus();
}

/** @param {any} row @param {string} label */
function labelOf(row, label) {
  const remove = element("button", "remove", "×");
  remove.setAttribute("aria-label", say("Take off the label {label}", { label }));
  const field = element("input");
  Object.assign(field, { type: "hidden", name: "quitar", value: label });
  const form = element("form", "deed", "", field, element("span", "badge", "", element("bdi", "", label), remove));
  form.dataset.deed = "etiquetas";
  form.action = `/api/conversaciones/${row.conversacion}/etiquetas`;
  form.method = "post";
  return element("li", "", "", form);
}

/** Shows what was done in the thread, once each. @param {Action} action */
export function showAction(action) {
  const list = $("lines");
  const known = list.querySelector(`[data-position="${action.posicion}"]`);
  const line = action.tipo === "conversation:note:written" ? noteLine(action) : doneLine(action);
  line.dataset.position = String(action.posicion);
  if (known) return known.replaceWith(line);
  list.insertBefore(line, list.querySelector(".line:not([data-seq])"));
  $("empty").hidden = true;
}

/** @param {Action} action */
function timeOf(action) {
  const at = new Date(action.fecha);
  return Object.assign(element("time", "", times.time(at)), { dateTime: action.fecha, title: times.full(at) });
}

/** @param {Action} action */
function noteLine(action) {
  const who = element("b", "who", "", element("bdi", "", action.nombres[action.de] ?? action.de));
  const kind = say("Private note"); // not inside a template: the extractor of texts looks no deeper
  const text = element("p", "text", action.borrado ? say("This note was erased.") : action.valor);
  text.dir = "auto";
  return element("li", "note", "", element("p", "meta", "", who, ` · ${kind} · `, timeOf(action)), text);
}

/** @param {Action} action */
function doneLine(action) {
  const words = element("span", "", wordsOf(action));
  words.dir = "auto";
  return element("li", "done", "", words, " ", timeOf(action));
}

/** `thread.py` says the same. @param {Action} action @returns {string} */
function wordsOf(action) {
  const name = action.nombres[action.de] || say("Somebody");
  const label = action.valor || "…";
  const to = action.nombres[action.valor] ?? action.valor;
  const until = action.hasta ? times.full(new Date(action.hasta)) : "";
  /** @type {Record<string, () => string>} */
  const said = {
    "conversation:assigned": () =>
      action.valor ? say("{name} assigned this to {to}", { name, to }) : say("{name} unassigned this", { name }),
    taken: () => say("{name} took this", { name }),
    open: () => say("{name} opened this", { name }),
    pending: () => say("{name} marked this as pending", { name }),
    resolved: () => say("{name} resolved this", { name }),
    snoozed: () => say("{name} snoozed this until {until}", { name, until }),
    "conversation:snooze:ended": () => say("The snooze ended"),
    "conversation:label:added": () => say("{name} added the label {label}", { name, label }),
    "conversation:label:removed": () => say("{name} took off the label {label}", { name, label }),
  };
  const taken = action.tipo === "conversation:assigned" && action.de && action.de === action.valor;
  const kind = taken ? "taken" : action.tipo === "conversation:status:changed" ? action.valor : action.tipo;
  return (said[kind] ?? (() => kind))();
}
