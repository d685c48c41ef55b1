// The search for names that may be labels never misses one; what labels become is shown in scrape_manager.test.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { mayHaveLabels } from "./target_labels.ts";

const rows: { body: string; names?: string[]; expected: boolean }[] = [
  { body: 'm{job="x"} 1', expected: true },
  { body: 'm{a="b", job = "x"} 1', expected: true },
  { body: 'm{"job"="x"} 1', expected: true },
  { body: 'm{\tjob\t="x"} 1', expected: true },
  { body: 'm{a="b"} 1', expected: false },
  { body: 'm{prom_job="x",jobs="y",job_="z"} 1\njob 1\n', expected: false },
  { body: 'm{x="job"} 1', expected: false },
  { body: 'm{jobjob="x",job="y"} 1', expected: true },
  { body: "m 1", names: ["a.b"], expected: true },
  { body: 'm{x="1",y="2"} 1', names: ["job", "y"], expected: true },
  { body: "job", expected: false },
  { body: 'job="', expected: true },
];

for (const { body, names = ["job"], expected } of rows) {
  test(`label search: ${body}`, () => assert.equal(mayHaveLabels(Buffer.from(body), names), expected));
}
