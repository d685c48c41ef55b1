// Which explanation an empty answer gets, with a server that knows a few metrics.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../../client/index.ts";
import { findEmptyReason, rankSimilar } from "./empty_reason.ts";
import type { EmptyReason } from "./empty_reason.ts";

const recent = ["up", "node_cpu_seconds_total", "node_memory_Active_bytes"];
const old = ["gone"];

const client = new Client({
  baseUrl: "http://server/",
  fetch: async (input) => {
    const parameters = (input as URL).searchParams;
    const match = /=(~?)"(.*)"/.exec(parameters.get("match[]")!)!;
    const pattern = new RegExp(`^(?:${match[2].replace("(?i)", "")})$`, "i");
    const known = parameters.get("start") === "1" ? recent : [...recent, ...old];
    return Response.json({ status: "success", data: known.filter((name) => (match[1] === "" ? name === match[2] : pattern.test(name))) });
  },
});

const rows: readonly { expression: string; expected: EmptyReason }[] = [
  { expression: "1 > 2", expected: { kind: "noMetric" } },
  { expression: "up == 0", expected: { kind: "filtered", metric: "up" } },
  { expression: "rate(gone[5m]) / up", expected: { kind: "notInRange", metric: "gone" } },
  { expression: "up + gone", expected: { kind: "notInRange", metric: "gone" } },
  { expression: "rate(node_cpu_second_totals[5m])", expected: { kind: "noSuchMetric", metric: "node_cpu_second_totals", similar: ["node_cpu_seconds_total"] } },
  { expression: "zzz", expected: { kind: "noSuchMetric", metric: "zzz", similar: [] } },
];
for (const { expression, expected } of rows) {
  test(`empty: ${expression}`, async () => {
    assert.deepEqual(await findEmptyReason(client, expression, { fromMs: 1000, toMs: 2000, stepMs: 1000 }, AbortSignal.timeout(5000)), expected);
  });
}

test("empty: similar names, best first", () => {
  assert.deepEqual(rankSimilar("http_request_total", ["http_requests_total", "unrelated", "http_requests"]), ["http_requests_total", "http_requests"]);
});
