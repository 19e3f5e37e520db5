// Files of messages: how they are shown, and how they are chosen, uploaded and kept until they are sent.
//
// What was uploaded is kept in the browser's storage for its recipient, like a draft, and survives a
// reload. Of what was not finished only the name is kept, to say that it was lost.
import { element } from "./lines.js";
import { isFiles, keyOf } from "./outbox.js";
import { send, showPicture } from "./reach.js";
import { say } from "./texts.js";

/** @typedef {import("./outbox.js").FileOf} FileOf */

/** Files of one message. */
const MOST = 5;
/** Pixels of a picture in a line. */
const [WIDEST, HIGHEST] = [320, 240];
/** Milliseconds before an upload that the network cut is begun again. */
const PAUSES = [1000, 3000, 8000];

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);

/** Bytes for people; `web/views.py` writes the same. @param {number} count */
export function size(count) {
  if (count < 1024) return `${count} B`;
  const [number, unit] = count < 1024 * 1024 ? [count / 1024, "KB"] : [count / 1024 / 1024, "MB"];
  return `${number.toFixed(number >= 10 ? 0 : 1)} ${unit}`;
}

/** What kind of file a name says it is. @param {string} name */
function ending(name) {
  const last = name.slice(name.lastIndexOf(".") + 1);
  return name.lastIndexOf(".") > 0 && /^[\p{L}\p{N}]{1,4}$/u.test(last) ? last.toUpperCase() : "…";
}

/** What stands for a file in a chip. @param {string} name */
function kind(name) {
  const shown = element("span", "kind", ending(name));
  shown.setAttribute("aria-hidden", "true");
  return shown;
}

/** @param {string} name */
const named = (name) => element("span", "name", "", element("bdi", "", name));

/** How large a picture is shown, in pixels, so that its place is kept while it loads; `web/views.py`
 * counts the same. @param {FileOf} file */
function fitted({ ancho = 1, alto = 1 }) {
  const scale = Math.min(1, WIDEST / ancho, HIGHEST / alto);
  return { width: Math.max(1, Math.floor(ancho * scale + 0.5)), height: Math.max(1, Math.floor(alto * scale + 0.5)) };
}

/** @param {FileOf} file */
function image(file) {
  const made = element("img");
  Object.assign(made, { loading: "lazy", alt: file.nombre, ...fitted(file) });
  showPicture(made, file.url);
  return made;
}

/** The files of a message: the same elements as templates/thread.html. @param {FileOf[]} files */
export function filesOf(files) {
  const items = files.map((file) => {
    const link = element("a", file.ancho ? "picture" : "file");
    link.href = file.url;
    if (file.ancho) {
      Object.assign(link, { target: "_blank", rel: "noopener" });
      link.append(image(file));
    } else {
      link.download = "";
      link.append(kind(file.nombre), named(file.nombre), " ", element("span", "size", size(file.bytes)));
    }
    return element("li", "", "", link);
  });
  return element("ul", "files", "", ...items);
}

/** @type {Record<string, () => string>} */
const PROBLEMS = {
  archivo_grande: () => say("The file is too large."),
  archivo_vacio: () => say("The file is empty."),
  sin_espacio: () => say("Your files take all the room that you have."),
  no_autenticado: () => say("Your session is over."),
};

/** One file on its way. @typedef {{file?: File, name: string, done?: FileOf, problem?: string, again?: boolean,
 *   sent: number, request?: XMLHttpRequest, tries: number, later?: ReturnType<typeof setTimeout>, item?: HTMLElement}} Upload */

/** Uploads by where they are kept: a thread that is left and opened again goes on with them.
 * @type {Map<string, () => Upload[]>} */
const begun = new Map();

/** Brings the composer's files to life.
 * @param {{me: string, para: string, submit: () => void}} options `submit` sends what was held back
 * until its files were there */
export function attachments({ me, para, submit }) {
  const button = $("attach");
  const chooser = $("files");
  const list = $("attached");
  const problem = $("composer-problem");
  const key = keyOf(me, "files", para);
  /** @type {Upload[]} */ let uploads = [];
  let waiting = false;

  /** @param {string} words */
  const tell = (words) => ($("files-said").textContent = words);

  /** What a reload is to find. */
  function keep() {
    const done = uploads.flatMap(({ done }) => done ?? []);
    const lost = uploads.filter(({ done, problem }) => !done && !problem).map(({ name }) => name);
    try {
      if (done.length || lost.length) localStorage.setItem(key, JSON.stringify({ done, lost }));
      else localStorage.removeItem(key);
    } catch {
      // The browser keeps nothing: they live as long as the page.
    }
  }

  function restore() {
    const before = begun.get(key)?.() ?? [];
    for (const { later, request, done } of before) {
      clearTimeout(later);
      if (!done) request?.abort();
    }
    begun.set(key, () => uploads);
    try {
      const { done, lost } = JSON.parse(localStorage.getItem(key) ?? '{"done": [], "lost": []}');
      if (!isFiles(done)) return;
      for (const file of done) add({ name: file.nombre, done: file, sent: 1, tries: 0 });
      for (const name of lost) {
        const left = before.find((upload) => upload.name === name && upload.file);
        const upload = { name: String(name), file: left?.file, sent: 0, tries: 0 };
        add(left ? upload : { ...upload, problem: say("The upload was interrupted: attach it again.") });
        if (left) start(upload);
      }
    } catch {
      // Nothing that could be read was kept.
    }
  }

  /** @param {Upload} upload */
  function add(upload) {
    uploads.push(upload);
    upload.item = element("li");
    list.append(upload.item);
    show(upload);
  }

  /** @param {Upload} upload */
  function remove(upload) {
    clearTimeout(upload.later);
    uploads = uploads.filter((one) => one !== upload);
    upload.request?.abort();
    const next = /** @type {HTMLElement | null} */ (upload.item?.nextElementSibling ?? upload.item?.previousElementSibling);
    upload.item?.remove();
    (/** @type {HTMLElement | null} */ (next?.querySelector("button.away")) ?? $("text")).focus();
    changed();
    if (!uploads.length) waiting = false;
    else goOn();
  }

  function changed() {
    list.hidden = uploads.length === 0;
    keep();
  }

  /** @param {Upload} upload */
  function show(upload) {
    const { name, done, problem, file, item } = upload;
    if (!item) return;
    item.className = problem ? "bad" : done ? "done" : "under-way";
    const parts = [done?.ancho ? image({ ...done, nombre: "" }) : kind(name), named(name)];
    if (problem) parts.push(element("span", "wrong", problem));
    else if (done) parts.push(element("span", "size", size(done.bytes)));
    else {
      const bar = element("progress");
      bar.value = upload.sent;
      bar.setAttribute("aria-label", say("Uploading {name}", { name }));
      parts.push(bar);
    }
    if (problem && file && upload.again) parts.push(control(say("Try again"), name, "link", () => ((upload.tries = 0), start(upload))));
    parts.push(control("×", name, "away", () => remove(upload), say("Remove {name}", { name })));
    item.replaceChildren(...parts);
    changed();
  }

  /** @param {string} words @param {string} name @param {string} className @param {() => void} act @param {string} [label] */
  function control(words, name, className, act, label = `${words}: ${name}`) {
    const made = element("button", className, words);
    made.type = "button";
    made.setAttribute("aria-label", label);
    if (className === "away") made.title = label;
    made.addEventListener("click", act);
    return made;
  }

  /** @param {Iterable<File>} files */
  function take(files) {
    problem.textContent = "";
    for (const file of files) {
      if (uploads.length >= MOST) {
        problem.textContent = say("Up to {most} files fit in a message.", { most: MOST });
        break;
      }
      const upload = { file, name: file.name || "imagen.png", sent: 0, tries: 0 };
      if (file.size > Number(button.dataset.bytes)) {
        problem.textContent = say("{name} is too large: up to {size} can be sent.", { name: upload.name, size: size(Number(button.dataset.bytes)) });
      } else if (!file.size) {
        problem.textContent = say("{name} is empty.", { name: upload.name });
      } else {
        add(upload);
        start(upload);
      }
    }
    $("text").focus();
  }

  /** @param {Upload} upload */
  function start(upload) {
    const { file, name } = upload;
    if (!file) return;
    const request = new XMLHttpRequest(); // fetch tells nothing of how far it has come
    Object.assign(upload, { request, problem: undefined, sent: 0 });
    request.open("POST", `/api/archivos?nombre=${encodeURIComponent(name)}`);
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      upload.sent = total ? loaded / total : 0;
      const bar = upload.item?.querySelector("progress");
      if (bar) bar.value = upload.sent;
    });
    request.addEventListener("load", () => answered(upload, request));
    for (const type of ["error", "timeout"]) request.addEventListener(type, () => cut(upload));
    send(request, file);
    show(upload);
  }

  /** @param {Upload} upload @param {XMLHttpRequest} request */
  function answered(upload, request) {
    if (!uploads.includes(upload)) return;
    if (request.status >= 500 || request.status === 429) return cut(upload);
    if (request.status === 200) {
      upload.done = request.response;
      tell(say("{name} is attached.", { name: upload.name }));
    } else fail(upload, PROBLEMS[request.response?.error?.codigo]?.() ?? say("It could not be uploaded."), false);
    show(upload);
    goOn();
  }

  /** The network failed, or the server: again, a little later, or when the reader says so. @param {Upload} upload */
  function cut(upload) {
    if (!uploads.includes(upload)) return;
    const pause = PAUSES[upload.tries++];
    if (pause !== undefined) upload.later = setTimeout(() => start(upload), pause);
    else fail(upload, say("It could not be uploaded."), true);
    show(upload);
  }

  /** @param {Upload} upload @param {string} words @param {boolean} again */
  function fail(upload, words, again) {
    Object.assign(upload, { problem: words, again });
    waiting = false;
    tell(`${upload.name}: ${words}`);
  }

  /** Sends what was held back, once all files are there. */
  function goOn() {
    if (!waiting || uploads.some(({ done }) => !done)) return;
    waiting = false;
    problem.textContent = "";
    submit();
  }

  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => chooser.click());
    chooser.addEventListener("change", () => {
      take([...chooser.files]);
      chooser.value = ""; // the same file may be chosen again
    });
    $("text").addEventListener("paste", (/** @type {ClipboardEvent} */ event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (!files.length) return;
      event.preventDefault();
      take(files);
    });
    drop(button.closest(".thread"), take);
  }
  restore();
  list.hidden = uploads.length === 0;

  return {
    /** Whether there is any file. */
    get any() {
      return uploads.length > 0;
    },
    /** Whether the message can be sent now; else it is when its files are there. */
    ready() {
      if (uploads.some((upload) => upload.problem)) {
        problem.textContent = say("A file could not be attached: try again, or remove it.");
        return false;
      }
      waiting = uploads.some(({ done }) => !done);
      if (waiting) problem.textContent = say("It is sent as soon as its files are uploaded.");
      return !waiting;
    },
    /** Gives the files to a message. @returns {FileOf[]} */
    take() {
      const done = uploads.flatMap((upload) => upload.done ?? []);
      uploads = [];
      list.replaceChildren();
      changed();
      return done;
    },
    /** Takes those of a message back that was not sent. @param {FileOf[]} files */
    putBack(files) {
      for (const file of files) add({ name: file.nombre, done: file, sent: 1, tries: 0 });
    },
  };
}

/** Files that are dropped anywhere on a thread. @param {HTMLElement} area @param {(files: File[]) => void} take */
function drop(area, take) {
  const brings = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
  let depth = 0;
  area.addEventListener("dragenter", (event) => {
    if (brings(event)) area.classList.toggle("dropping", ++depth > 0);
  });
  area.addEventListener("dragleave", (event) => {
    if (brings(event)) area.classList.toggle("dropping", --depth > 0);
  });
  area.addEventListener("dragover", (event) => brings(event) && event.preventDefault());
  area.addEventListener("drop", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    depth = 0;
    area.classList.remove("dropping");
    take([...(event.dataTransfer?.files ?? [])]);
  });
}
