// Shows that the log is cut when a start would have many rows to replay, however few bytes they are.
import assert from "node:assert/strict";
import test from "node:test";
import { SimulatedClock } from "../base/clock.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { labelsOf } from "../model/labels.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { openTestStore } from "../../testkit/local_stores.ts";

const nowMs = 1_700_000_000_000;

for (const { rows, isCut } of [{ rows: 999, isCut: false }, { rows: 1000, isCut: true }]) {
  test(`with 1000 rows at most in the log, ${rows} are ${isCut ? "sealed" : "left there"}`, async () => {
    const files = new MemoryFileSystem();
    const clock = new SimulatedClock(nowMs);
    await using store = await openTestStore(files, { clock, checkpointLogRows: 1000 });
    for (let row = 0; row < rows; row += 100) {
      const count = Math.min(100, rows - row);
      const batch = new RowBatchBuilder().addSeries(labelsOf({ __name__: "m" }), Float64Array.from({ length: count }, (_, i) => nowMs - 1000 + row + i), new Float64Array(count));
      await store.write(batch.build());
    }
    clock.advance(10_000);
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(files.list("/data/log").includes("00000001.log"), !isCut);
  });
}
