// The state in the URL: what is printed is read again, and links of Prometheus and vmui open.
import assert from "node:assert/strict";
import { test } from "node:test";
import { initialState, parseExploreUrl, printExploreUrl } from "./explore_state.ts";
import type { ExploreState } from "./explore_state.ts";

const nowMs = Date.UTC(2026, 10, 21, 12);
const tenMs = Date.UTC(2026, 10, 21, 10);
const minute = 60_000;

const states: readonly { name: string; state: ExploreState; url: string }[] = [
  { name: "initial", state: initialState, url: "?g0.expr=&g0.range_input=1h&g0.tab=0" },
  {
    name: "everything",
    state: { expressions: ['a{b="c&d"} + 1', "up"], range: { kind: "absolute", fromMs: tenMs - 90 * minute, toMs: tenMs }, stepMs: 15_000, tab: "json", refreshMs: 5000 },
    url: "?g0.expr=a%7Bb%3D%22c%26d%22%7D%20%2B%201&g1.expr=up&g0.range_input=1h30m&g0.end_input=2026-11-21T10:00:00Z&g0.step_input=15s&g0.tab=json&refresh=5s",
  },
  {
    name: "milliseconds",
    state: { ...initialState, range: { kind: "absolute", fromMs: tenMs - 1501, toMs: tenMs + 7 } },
    url: "?g0.expr=&g0.range_input=1s508ms&g0.end_input=2026-11-21T10:00:00.007Z&g0.tab=0",
  },
];
for (const { name, state, url } of states) {
  test(`url: ${name}`, () => {
    assert.equal(printExploreUrl(state), url);
    assert.deepEqual(parseExploreUrl(url, "", nowMs), state);
  });
}

const links: readonly { name: string; search?: string; hash?: string; expected: Partial<ExploreState> }[] = [
  { name: "nothing", expected: initialState },
  { name: "Prometheus 2 graph", search: "?g0.expr=up&g0.tab=0&g0.range_input=30m&g0.end_input=2026-11-21%2010%3A00%3A00&g0.step_input=14", expected: { range: { kind: "absolute", fromMs: tenMs - 30 * minute, toMs: tenMs }, stepMs: 14_000, tab: "graph" } },
  { name: "Prometheus 2 table", search: "?g0.expr=up&g0.tab=1&g0.stacked=0&g0.range_input=1h", expected: { tab: "table" } },
  { name: "Prometheus 3 fixed step", search: "?g0.expr=up&g0.tab=table&g0.res_type=fixed&g0.res_step=60&g1.expr=down", expected: { tab: "table", stepMs: minute, expressions: ["up", "down"] } },
  { name: "Prometheus 3 explain", search: "?g0.expr=up&g0.tab=explain&g0.res_type=auto&g0.res_density=medium", expected: { tab: "graph", stepMs: undefined } },
  { name: "vmui relative", search: "", hash: "#/?g0.expr=up&g0.range_input=30m&g0.end_input=2026-11-21T10%3A00%3A00&g0.relative_time=last_30_minutes&g0.tab=1&g0.tenantID=0", expected: { range: { kind: "relative", durationMs: 30 * minute }, tab: "json", expressions: ["up"] } },
  { name: "vmui absolute", search: "", hash: "#/?g0.expr=up&g0.range_input=30m&g0.end_input=2026-11-21T10%3A00%3A00&g0.relative_time=none&g0.tab=2&g0.step_input=auto", expected: { range: { kind: "absolute", fromMs: tenMs - 30 * minute, toMs: tenMs }, tab: "table", stepMs: undefined } },
  { name: "nonsense", search: "?g0.expr=a&g0.range_input=-1x&g0.end_input=never&g0.step_input=0&g0.tab=99&refresh=1s&g7.expr=b", expected: { ...initialState, expressions: ["a", "b"] } },
];
for (const { name, search = "", hash = "", expected } of links) {
  test(`url: link of ${name}`, () => {
    const state = parseExploreUrl(search, hash, nowMs);
    for (const [key, value] of Object.entries(expected)) assert.deepEqual(state[key as keyof ExploreState], value, key);
  });
}
