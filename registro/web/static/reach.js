// How this page's requests say who asks: by the cookie, or, in a frame on another site's page, by a
// token in a header. Pictures and links cannot have one: there they are fetched.
import { say } from "./texts.js";

/** Where files of messages are. */
const FILES = "/archivos/";
/** Milliseconds that a file which was fetched stays for a browser to keep it. */
const KEPT = 60_000;

/** @type {(() => Promise<string>) | null} */ let token = null;
/** Pictures that are fetched when their reader comes near, and their addresses.
 * @type {Map<Element, string>} */
const far = new Map();
/** @type {IntersectionObserver | undefined} */ let near;

/** From now on requests carry a token. @param {() => Promise<string>} give is asked at each of them */
export function useToken(give) {
  token = give;
  near = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) if (isIntersecting) fetchPicture(/** @type {HTMLImageElement} */ (target));
  }, { rootMargin: "400px" });
  document.addEventListener("click", clicked);
}

/** Sends a request that is open. @param {XMLHttpRequest} request @param {Blob} [body] */
export async function send(request, body) {
  if (token) request.setRequestHeader("Authorization", `Bearer ${await token()}`);
  request.send(body);
}

/** Leads to another address; a frame stays where it is, for what it shows is more than a browser's error.
 * @param {string} address */
export function leave(address) {
  if (!token) location.assign(address);
}

/** @param {HTMLImageElement} image @param {string} address */
export function showPicture(image, address) {
  if (!near) image.src = address;
  else {
    far.set(image, address);
    near.observe(image);
  }
}

/** Elements of a page that was read become ones of this page. @template {Element} T @param {T} read */
export function adopt(read) {
  for (const image of near ? read.querySelectorAll("img[src]") : []) {
    const address = image.getAttribute("src") ?? "";
    image.removeAttribute("src");
    showPicture(/** @type {HTMLImageElement} */ (image), address);
  }
  return read;
}

/** The address of a file's content. @param {string} address */
async function fetched(address) {
  const answer = await fetch(address, { headers: { Authorization: `Bearer ${await token?.()}` } });
  if (!answer.ok || answer.redirected) throw new Error(`${answer.status}`);
  return URL.createObjectURL(await answer.blob());
}

/** @param {HTMLImageElement} image */
async function fetchPicture(image) {
  const address = far.get(image);
  near?.unobserve(image);
  far.delete(image);
  if (!address) return;
  try {
    const content = await fetched(address);
    image.addEventListener("load", () => URL.revokeObjectURL(content), { once: true });
    image.src = content;
  } catch {
    image.closest(".picture")?.classList.add("missing"); // its name is there; a click tries again
  }
}

/** A file is saved: another tab would have to ask for it without a token. @param {MouseEvent} event */
async function clicked(event) {
  const link = /** @type {Element} */ (event.target).closest("a");
  if (!link || !new URL(link.href).pathname.startsWith(FILES)) return;
  event.preventDefault();
  try {
    const made = document.createElement("a");
    made.download = decodeURIComponent(link.pathname.split("/").at(-1) ?? "");
    made.href = await fetched(link.href);
    made.click();
    setTimeout(() => URL.revokeObjectURL(made.href), KEPT);
  } catch {
    const problem = document.getElementById("composer-problem");
    if (problem) problem.textContent = say("The file cannot be had now.");
  }
}
