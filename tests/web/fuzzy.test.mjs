// How the palette finds what somebody means: `registro/web/static/fuzzy.js`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fit, plain } from "../../registro/web/static/fuzzy.js";

/** @param {string} query @param {string} text */
const score = (query, text) => fit(plain(query), plain(text))?.score ?? -Infinity;
/** @param {string} query @param {string[]} texts */
const best = (query, ...texts) => texts.sort((one, other) => score(query, other) - score(query, one))[0];

test("letters fit in their order, with others between them", () => {
  assert.equal(fit("cba", "abc"), null);
  assert.deepEqual(fit("ac", "abc")?.places, [0, 2]);
  assert.equal(fit("aa", "a"), null);
  assert.equal(fit("x", ""), null);
});

test("capitals and accents do not count, and places stay those of the text", () => {
  assert.deepEqual(fit(plain("NUNEZ"), plain("José Núñez"))?.places, [5, 6, 7, 8, 9]);
  assert.equal(plain("İÑß").length, 3);
  assert.equal(plain("a".repeat(500)).length, 200);
});

test("beginnings of words come before the middle of words", () => {
  assert.equal(best("mg", "imagen", "Marta Gil"), "Marta Gil");
  assert.equal(best("pe", "Jefe de prensa", "Set pending"), "Set pending");
  assert.equal(best("an", "juan", "Ana"), "Ana");
});

test("letters next to each other come before letters apart", () => {
  assert.equal(best("lar", "saltar", "solares"), "solares");
  assert.deepEqual(fit("ena", "eta cadena")?.places, [7, 8, 9]);
});

test("of two that fit alike the shorter one comes first", () => {
  assert.equal(best("ana", "Ana Belmonte Ruiz", "Ana"), "Ana");
});

test("every word has to be found, in any order", () => {
  assert.deepEqual(fit("gil ma", "marta gil")?.places, [0, 1, 6, 7, 8]);
  assert.equal(fit("gil x", "marta gil"), null);
  assert.deepEqual(fit("", "marta")?.places, []);
});

test("characters of two units are compared whole or not at all", () => {
  assert.deepEqual(fit(plain("🚲"), plain("una 🚲"))?.places, [4, 5]);
});

test("a thousand entries are looked through in less than 50 ms", () => {
  const texts = Array.from({ length: 1000 }, (_, number) => plain(`Conversación número ${number} de María Antonia Fernández`));
  const times = Array.from({ length: 5 }, () => {
    const before = performance.now();
    for (const text of texts) fit("mar fer 7", text);
    return performance.now() - before;
  });
  assert.ok(Math.min(...times) < 50, `${times}`);
});
