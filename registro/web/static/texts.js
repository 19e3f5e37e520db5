// Texts in the reader's language. Texts in scripts are English; the page brings the others.

/** @type {Record<string, string | string[]>} */
const texts = JSON.parse(document.getElementById("texts")?.textContent || "{}");

/** @typedef {Record<string, string | number>} Values */

/** @param {string} text @param {Values} values */
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, /** @type {string} */ name) => String(values[name] ?? ""));

/** A text, with `{name}` replaced by values. @param {string} text @param {Values} values */
export function say(text, values = {}) {
  const found = texts[text];
  return fill(typeof found === "string" && found ? found : text, values);
}

/** A text that depends on a number, which is `{number}` in it.
 * @param {string} one @param {string} many @param {number} number */
export function count(one, many, number) {
  const forms = texts[one];
  const own = Array.isArray(forms) ? forms[number === 1 ? 0 : forms.length - 1] : null;
  return fill(own || (number === 1 ? one : many), { number });
}
