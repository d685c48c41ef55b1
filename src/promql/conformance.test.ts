// Runs conformance/promql-cases.json in process: values, whether there is a value at all, types, order, annotations, failures. What is known to
// differ is listed with its reason in conformance/expected_failures/promql_dialect.txt, and has to differ.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import test from "node:test";
import { Kernel } from "../kernel/kernel.ts";
import { MemoryStore } from "../stores/memory_store.ts";
import { type CaseGroup, differenceInRange, differenceOf, loadSeries, type PromqlCase, readPromqlCases } from "../../testkit/promql_cases.ts";
import { PromqlEngine } from "./engine.ts";

const { groups, cases } = readPromqlCases();
const expectedFailures = readExpectedFailures();
const kernel = new Kernel();

function readExpectedFailures(): ReadonlySet<string> {
  const path = new URL("../../conformance/expected_failures/promql_dialect.txt", import.meta.url);
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
  return new Set(lines.filter((line) => line !== "" && !line.startsWith("#")));
}

/** What is wrong with the answer to a case; undefined if nothing is. */
async function failureOf(engine: PromqlEngine, row: PromqlCase): Promise<string | undefined> {
  const options = { query: row.query, delaysNameRemoval: row.features?.includes("delayed_name_removal") ?? false };
  try {
    const result = row.kind === "instant"
      ? await engine.instant({ ...options, timeMs: row.at })
      : await engine.range({ ...options, startMs: row.start, endMs: row.end, stepMs: row.step });
    return row.fail === undefined ? differenceOf(row, result) : "it should have failed";
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "InputError") throw error;
    return row.fail === undefined ? `it failed: ${error.message}` : messageDifference(row, error.message);
  }
}

function messageDifference({ fail }: PromqlCase, message: string): string | undefined {
  const { msg, regex } = typeof fail === "object" ? fail : {};
  if ((msg === undefined || message.includes(msg)) && (regex === undefined || new RegExp(regex).test(message))) return undefined;
  return `another message: ${message}`;
}

/** A query of another form, or one that asks for the form of the query. */
function isOfInstantOnly({ kind, query, expected, fail }: PromqlCase): boolean {
  return kind !== "instant" || fail !== undefined || expected.type === "string" || expected.type === "matrix" || /range\(\)|step\(\)|start\(\)|end\(\)/i.test(query);
}

/** The same value has to come of a range query around the time of an instant query. */
async function failureInRange(engine: PromqlEngine, row: PromqlCase): Promise<string | undefined> {
  if (isOfInstantOnly(row)) return undefined;
  const options = { query: row.query, delaysNameRemoval: row.features?.includes("delayed_name_removal") ?? false };
  try {
    return differenceInRange(row, await engine.range({ ...options, startMs: row.at - 60_000, endMs: row.at + 60_000, stepMs: 60_000 }));
  } catch (error) {
    return String(error);
  }
}

async function checkGroup({ id, loads }: CaseGroup): Promise<void> {
  const store = new MemoryStore({ keepsNaN: true });
  const engine = new PromqlEngine({ store, kernel, nowMs: () => 0 });
  const rows = cases.filter((row) => row.group === id).sort((a, b) => a.loads - b.loads || a.line - b.line);
  const wrong: string[] = [];
  let loaded = 0;
  for (const row of rows) {
    for (; loaded < row.loads; loaded++) await loadSeries(store, loads[loaded]);
    const failure = await failureOf(engine, row);
    const inRange = expectedFailures.has(row.id) ? undefined : await failureInRange(engine, row);
    if (inRange !== undefined) wrong.push(`${row.id} ${row.query}\n    in a range query: ${inRange}`);
    if (expectedFailures.has(row.id) !== (failure !== undefined)) wrong.push(`${row.id} ${row.query}\n    ${failure ?? "passes now; take it off the list"}`);
  }
  assert.equal(wrong.length, 0, `\n${wrong.join("\n")}`);
}

for (const group of groups) test(group.id, () => checkGroup(group));

test("all cases belong to a group", () => {
  const known = new Set(groups.map(({ id }) => id));
  assert.deepEqual(cases.filter(({ group }) => !known.has(group)), []);
});
