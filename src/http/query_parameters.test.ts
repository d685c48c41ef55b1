// Shows that query strings are read as URLSearchParams reads them, the unusual ones too.
import assert from "node:assert/strict";
import test from "node:test";
import { testSeed } from "../../testkit/seed.ts";
import { seededRandom } from "../base/random.ts";
import { QueryParameters } from "./query_parameters.ts";

const pieces = [
  "a", "b", "match[]", "=", "=", "=", "&", "&", "+", "%20", "%2B", "%26", "%3D", "%25", "%", "%4", "%zz", "%C3%A4", "%C3", "%E2%82%AC", "%F0%9F%98%80", "%ED%A0%80", "%00", "\u00e4", "\ud83d",
  "\ud83d\ude00", "#", "?", ";", " ", "query", "0", "%ff",
];

test("query parameters: as URLSearchParams reads them", () => {
  const random = seededRandom(testSeed());
  for (let round = 0; round < 20_000; round++) {
    const text = Array.from({ length: random.int(12) }, () => pieces[random.int(pieces.length)]).join("");
    // A leading "?" is dropped there.
    const expected = new URLSearchParams(`&${text}`);
    const found = new QueryParameters(text);
    for (const name of new Set([...expected.keys(), "absent"])) {
      assert.deepEqual(found.getAll(name), expected.getAll(name), `${JSON.stringify(text)}, seed ${testSeed()}`);
      assert.equal(found.get(name), expected.get(name) ?? undefined, `${JSON.stringify(text)}, seed ${testSeed()}`);
    }
  }
});
