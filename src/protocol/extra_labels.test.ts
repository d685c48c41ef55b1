// Extra labels come out of URLs as in VictoriaMetrics.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { InputError } from "../base/errors.ts";
import { extraLabelsOf } from "./extra_labels.ts";

interface ConformanceCase {
  readonly id: string;
  readonly request_uri?: string;
  readonly path?: string;
  readonly expected?: string;
  readonly error?: boolean;
}

const conformance = JSON.parse(readFileSync(new URL("../../conformance/ingest-misc.json", import.meta.url), "utf8")) as { cases: ConformanceCase[] };

for (const one of conformance.cases) {
  test(one.id, () => {
    const [path, query = ""] = one.path === undefined ? (one.request_uri ?? "").split("?") : [one.path];
    const run = (): string => `{${extraLabelsOf(path, new URLSearchParams(query)).map(({ name, value }) => `${name}=${JSON.stringify(value)}`).join(",")}}`;
    if (one.error === true) assert.throws(run, InputError);
    else assert.equal(run(), one.expected);
  });
}

test("values with '=', percent signs and a missing name", () => {
  assert.deepEqual(extraLabelsOf("/metrics/job/a%2Fb/x/100%", new URLSearchParams("extra_label=job=c%3Dd&extra_label=y=")), [{ name: "job", value: "c=d" }, { name: "x", value: "100%" }]);
  assert.throws(() => extraLabelsOf("/", new URLSearchParams("extra_label=foo")), InputError);
  assert.throws(() => extraLabelsOf("/metrics/job/a/b", new URLSearchParams()), InputError);
});
