// What trace=1 tells: a step per operator below the operator that asked for it, what was read, and the same answer as without.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Kernel } from "../kernel/kernel.ts";
import { labelsOf } from "../model/labels.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { MemoryStore } from "../stores/memory_store.ts";
import { Engine } from "./engine.ts";
import { QueryTrace, type TraceNode } from "./query_trace.ts";

const startMs = 1_700_000_000_000;

async function engine(): Promise<Engine> {
  const store = new MemoryStore();
  const builder = new RowBatchBuilder();
  const timestampsMs = Float64Array.from({ length: 100 }, (_, i) => startMs + i * 15_000);
  for (const instance of ["a", "b", "c"]) builder.addSeries(labelsOf({ __name__: "up", instance }), timestampsMs, timestampsMs.map(() => 1));
  await store.write(builder.build());
  return new Engine({ store, kernel: new Kernel(), nowMs: () => startMs });
}

/** A clock that goes on by a millisecond with each look. */
function tickingClock(): () => number {
  let ms = 0;
  return () => ms++;
}

const grid = { startMs: startMs + 600_000, endMs: startMs + 1_200_000, stepMs: 60_000 };

function messagesOf(node: TraceNode, depth = 0): string[] {
  return [`${"  ".repeat(depth)}${node.message}`, ...(node.children ?? []).flatMap((child) => messagesOf(child, depth + 1))];
}

test("trace: a step per operator, inside of the one that asked", async () => {
  const trace = new QueryTrace("query", tickingClock());
  const query = "sum(rate(up[5m])) / count(max_over_time(up[10m:1m])) > 3";
  const instance = await engine();
  const traced = await trace.wait(trace.root, () => instance.range({ query, ...grid, trace }));
  const plain = await instance.range({ query, ...grid });
  assert.deepEqual(traced.series, plain.series);
  const root = trace.root.node();
  const expected: readonly [number, RegExp][] = [
    [0, /^query$/],
    [1, /^binary > at 11 points from 2023-11-14T22:23:20.000Z to 2023-11-14T22:33:20.000Z, step 60s: 1 series, from 6 series with \d+ samples; \d+ bytes/],
    [2, /^binary \//],
    [3, /^aggregate sum by \(\) streaming .* 1 series, from 3 series/],
    [4, /^rollup rate .*window 5m/],
    [5, /^select series of up from \d+ to \d+ ms$/],
    [5, /^read \d+ samples \(\d+ bytes decoded\) of 3 series in \d+ batches$/],
    [3, /^aggregate count/],
    [4, /^rollup max_over_time/],
    [5, /^rollup default_rollup/],
    [6, /^select series/],
    [6, /^read/],
  ];
  const lines = messagesOf(root);
  assert.equal(lines.length, expected.length, lines.join("\n"));
  expected.forEach(([depth, pattern], i) => {
    assert.equal(lines[i].length - lines[i].trimStart().length, depth * 2, lines.join("\n"));
    assert.match(lines[i].trimStart(), pattern);
  });
  const check = (node: TraceNode): void => {
    const inside = (node.children ?? []).reduce((sum, child) => sum + child.duration_msec, 0);
    assert.ok(node.duration_msec > inside, `${node.message} takes longer than its children`);
    node.children?.forEach(check);
  };
  check(root);
});

test("trace: a step that fails is there with its time, and the error goes on", async () => {
  const trace = new QueryTrace("query", tickingClock());
  const instance = await engine();
  await assert.rejects(instance.range({ query: "up + on () up", ...grid, trace }), /./);
  assert.match(messagesOf(trace.root.node()).join("\n"), /binary \+ on \(\)/);
});
