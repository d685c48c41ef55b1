/** What tests of kept results share: a naive store that tells what has changed, and the comparison of an answer with a full evaluation. */
import assert from "node:assert/strict";
import type { ChangeWatch } from "../src/model/change_watch.ts";
import { labelsToRecord } from "../src/model/labels.ts";
import type { RowBatch } from "../src/model/row_batch.ts";
import type { WriteResult } from "../src/model/store.ts";
import type { QueryResult } from "../src/query/result.ts";
import { MemoryStore } from "../src/stores/memory_store.ts";

/** The naive store, which notes every write. */
export class WatchedStore extends MemoryStore implements ChangeWatch {
  #epoch = 0;
  readonly #changes: { readonly epoch: number; readonly timeMs: number }[] = [];

  override write(batch: RowBatch): Promise<WriteResult> {
    for (const timeMs of batch.timestampsMs) this.#changes.push({ epoch: this.#epoch, timeMs });
    return super.write(batch);
  }

  begin(): number {
    return ++this.#epoch;
  }

  firstChangeMs(epoch: number, minMs: number, maxMs: number): number {
    let firstMs = Infinity;
    for (const change of this.#changes) if (change.epoch >= epoch && change.timeMs >= minMs && change.timeMs <= maxMs) firstMs = Math.min(firstMs, change.timeMs);
    return firstMs;
  }
}

/** Series, order and values, each as the number that is printed: the sign of zero and the payloads of NaN are not told apart. */
export function compareResults(actual: QueryResult, expected: QueryResult, label: string): void {
  const rows = (result: QueryResult): unknown => result.series.map(({ labels, values }) => ({ ...labelsToRecord(labels), values: [...values].map(String) }));
  assert.deepEqual(rows(actual), rows(expected), label);
}
