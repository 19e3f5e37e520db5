// How well what somebody typed fits a text: its letters in their order, with others between them.

/** Points of a letter; more at the beginning of a word, and next to the letter before it. */
const LETTER = 1;
const WORD_START = 8;
const NEXT = 5;
/** Points that it costs to pass letters over between two that fit, and each of them, up to a limit. */
const BREAK = 2;
const GAP = 0.2;
const MOST_GAPS = 4;
/** Letters that are compared, of each text. */
const LONGEST = 200;

/** Capitals and accents do not count. Each character stays one, so that places in the result are
 * places in the text. @param {string} text */
export function plain(text) {
  if (/^[\0-\x7f]*$/.test(text)) return text.slice(0, LONGEST).toLowerCase();
  return Array.from({ length: Math.min(text.length, LONGEST) }, (_, place) => {
    const [first = ""] = text[place].normalize("NFD");
    const lower = first.toLowerCase();
    return lower.length === 1 ? lower : text[place];
  }).join("");
}

/** @typedef {{score: number, places: number[]}} Fit
 * `places` are those of the letters that fit, in their order */

/** How a text fits a query; null where it does not. Every word of the query has to be found, in any
 * order. Both are as `plain` gives them. @param {string} query @param {string} text @returns {Fit | null} */
export function fit(query, text) {
  const places = [];
  let score = 0;
  for (const word of query.split(/\s+/)) {
    const found = word && fitWord(word, text);
    if (found === null) return null;
    if (!found) continue;
    score += found.score;
    places.push(...found.places);
  }
  // Of two that fit alike, the shorter one is meant.
  return { score: score - text.length / LONGEST, places: [...new Set(places)].sort((one, other) => one - other) };
}

/** @param {string} text @param {number} place */
const startsWord = (text, place) => place === 0 || !/[\p{L}\p{N}]/u.test(text[place - 1]);

/** Where a letter stands, how good the best way is that leads there, and from where it comes.
 * @typedef {{place: number, score: number, from: Step | null}} Step */

/** The best way in which a word's letters stand in a text. @param {string} word @param {string} text
 * @returns {Fit | null} */
function fitWord(word, text) {
  if (!inOrder(word, text)) return null;
  /** @type {Step[] | null} */ let before = null;
  for (const letter of word.split("")) before = steps(letter, text, before);
  if (!before?.length) return null;
  const last = /** @type {Step[]} */ (before).reduce((one, other) => (other.score > one.score ? other : one));
  const places = [];
  /** @type {Step | null} */ let step = last;
  for (; step; step = step.from) places.unshift(step.place);
  return { score: last.score, places };
}

/** All places of a letter that can follow those of the letter before it.
 * @param {string} letter @param {string} text @param {Step[] | null} before null for the first letter */
function steps(letter, text, before) {
  /** @type {Step[]} */ const found = [];
  for (let place = text.indexOf(letter); place >= 0; place = text.indexOf(letter, place + 1)) {
    const from = before && best(before, place);
    if (before && !from) continue;
    const own = LETTER + (startsWord(text, place) ? WORD_START : 0);
    found.push({ place, score: own + (from ? from.score + link(from.place, place) : 0), from });
  }
  return found;
}

/** The step from which one comes best to a place after it. @param {Step[]} all @param {number} place */
function best(all, place) {
  /** @type {Step | null} */ let found = null;
  for (const step of all) {
    if (step.place >= place) break;
    if (!found || step.score + link(step.place, place) >= found.score + link(found.place, place)) found = step;
  }
  return found;
}

/** What the way between two places is worth. @param {number} one @param {number} next */
const link = (one, next) => (next === one + 1 ? NEXT : -BREAK - Math.min(MOST_GAPS, GAP * (next - one - 1)));

/** Quickly, whether all letters are there in their order: most texts end here.
 * @param {string} word @param {string} text */
function inOrder(word, text) {
  let place = -1;
  for (const letter of word.split("")) {
    place = text.indexOf(letter, place + 1);
    if (place < 0) return false;
  }
  return true;
}
