// Keeps the notice of the office hours true while a page is open: when they begin or end, and when
// somebody changes them.

/** Milliseconds over which the browsers that were told at the same time spread their questions. */
const SPREAD = 3000;
/** The longest time that a timer waits at once: they end early beyond 24.8 days. */
const LONGEST = 86_400_000;

/** @param {{on(event: string, listener: () => void): unknown}} socket Socket.IO's
 * @param {string} query of the address that is asked: for pages without our cookies */
export function followHours(socket, query = "") {
  const box = document.getElementById("hours");
  if (!box) return;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let timer;

  /** @param {string} part @returns {HTMLElement} */
  const find = (part) => /** @type {HTMLElement} */ (box.querySelector(`.hours-${part}`));

  /** @param {string | null | undefined} until */
  function wait(until) {
    clearTimeout(timer);
    if (!until) return;
    const left = Date.parse(until) - Date.now() + 500;
    timer = left > LONGEST ? setTimeout(() => wait(until), LONGEST) : setTimeout(ask, Math.max(left, 1000));
  }

  async function ask() {
    try {
      const answer = await fetch(`/api/horario${query}`);
      if (!answer.ok) throw new Error(String(answer.status));
      show(await answer.json());
    } catch {
      timer = setTimeout(ask, 30_000);
    }
  }

  /** @param {any} hours */
  function show({ configurado, abierto, cambia, horario, ahora, aviso }) {
    if (box) box.hidden = !configurado;
    box?.classList.toggle("closed", configurado && !abierto);
    find("now").textContent = ahora ?? "";
    find("week").textContent = horario ?? "";
    find("away").textContent = aviso ?? "";
    find("away").hidden = !aviso;
    wait(cambia);
  }

  socket.on("horario", () => setTimeout(ask, Math.random() * SPREAD));
  wait(box.dataset.until);
}
