// The page of preferences: asks the browser before it promises notifications on the desktop.
import { say } from "./texts.js";

const box = /** @type {HTMLInputElement} */ (document.querySelector("input[name=desktop]"));
const state = /** @type {HTMLElement} */ (document.getElementById("desktop-state"));

/** What this browser makes of the switch. */
function tell() {
  const words = {
    granted: "",
    default: say("This browser will ask whether it may."),
    denied: say("This browser does not allow it: change that in its settings for this site."),
    missing: say("This browser has no notifications here."),
  };
  state.textContent = box.checked ? words["Notification" in window ? Notification.permission : "missing"] : "";
}

box.addEventListener("change", async () => {
  if (box.checked && "Notification" in window && Notification.permission === "default") {
    await Notification.requestPermission();
  }
  tell();
});
tell();
