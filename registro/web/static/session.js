// Keeps a login alive while a page of ours is open: another token before the old one ends.

const AHEAD = 10 * 60;

/** @param {number} expires seconds since 1970 @param {() => void} renewed */
export function keepSession(expires, renewed) {
  const wait = Math.max(5, expires - AHEAD - Date.now() / 1000);
  setTimeout(async () => {
    try {
      const answer = await fetch("/api/sesion", { method: "POST" });
      if (!answer.ok) return; // twelve hours are over: the server says so when the token ends
      const { expira } = await answer.json();
      renewed();
      keepSession(expira, renewed);
    } catch {
      setTimeout(() => keepSession(expires, renewed), 30_000);
    }
  }, Math.min(wait * 1000, 2 ** 31 - 1));
}
