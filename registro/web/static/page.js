// On every page: tells the server the reader's time zone, for the times that it writes, and leaves
// nothing of a user in the browser who logs out.
import { forget, keptFor, keyOf } from "./outbox.js";
import { say } from "./texts.js";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && document.documentElement.dataset.zone !== zone) {
  document.cookie = `zona=${zone}; path=/; max-age=31536000; samesite=lax`;
}

/** Whoever logs out may leave the computer to others: what was not sent goes, once they agree.
 * @param {string} me */
function mayForget(me) {
  // What the palette remembers is nobody's loss.
  const kept = keptFor(localStorage, me).filter((key) => !key.startsWith(keyOf(me, "palette", "")));
  if (kept.length && !confirm(say("What you wrote and did not send will be deleted from this browser. Log out?"))) return false;
  forget(localStorage, me);
  return true;
}

const me = document.getElementById("logout")?.dataset.user ?? "";
for (const link of document.querySelectorAll('a[href="/logout"]')) {
  link.addEventListener("click", (event) => {
    try {
      if (!mayForget(me)) event.preventDefault();
    } catch {
      // The browser keeps nothing, so there is nothing to forget.
    }
  });
}
