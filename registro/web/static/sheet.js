// The sheet that lists the keys.
import { GROUPS, nameOf } from "./keys.js";
import { element } from "./lines.js";
import { say } from "./texts.js";

/** Keys as they are pressed: one of several, or one after the other. @param {string[]} keys */
function pressed(keys) {
  const ways = keys.map((way) => way.split(" ").map((key) => element("kbd", "", nameOf(key))));
  const or = element("span", "or", say("or"));
  return ways.flatMap((way, place) => (place ? [or, ...way] : way));
}

/** @param {import("./keys.js").Group} group */
function section({ title, commands }) {
  const rows = commands.map(({ keys, words }) => element("div", "", "", element("dt", "", "", ...pressed(keys)), element("dd", "", words())));
  return element("section", "", "", element("h3", "", title()), element("dl", "", "", ...rows));
}

/** Shows it. The browser keeps the focus in it, and gives it back. @param {boolean} on whether single keys are */
export function openSheet(on) {
  const title = element("h2", "", say("Keys"));
  title.id = "sheet-title";
  const close = element("button", "button small", say("Close"));
  close.type = "button";
  const off = element("p", "notice", "", say("Single keys are switched off."), " ", Object.assign(element("a", "", say("Preferences")), { href: "/preferencias" }));
  const dialog = element("dialog", "sheet", "", element("header", "", "", title, close), ...(on ? [] : [off]), element("div", "groups", "", ...GROUPS.map(section)));
  dialog.setAttribute("aria-labelledby", title.id);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.key !== "?") return;
    event.preventDefault(); // it does not open another one
    dialog.close();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
