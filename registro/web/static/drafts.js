// Texts that are written and not sent yet, kept for their user and their recipient.
import { keyOf } from "./outbox.js";

/** @param {string} me @param {string} para */
export function draftOf(me, para) {
  const key = keyOf(me, "draft", para);
  return {
    /** @returns {string} */
    get text() {
      try {
        return localStorage.getItem(key) ?? "";
      } catch {
        return ""; // the browser keeps nothing
      }
    },
    set text(text) {
      try {
        if (text) localStorage.setItem(key, text);
        else localStorage.removeItem(key);
      } catch {
        // Full, or forbidden: the text lives as long as the page.
      }
    },
  };
}
