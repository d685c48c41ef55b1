/** A Store whose searches are steps of a trace: selecting series, and reading and decoding their samples, here and on other threads. */
import type { SearchRequest, SeriesBatch, Store } from "../model/store.ts";
import { type ColumnBatch, type ColumnStore, isColumnBatch } from "./column_store.ts";
import type { QueryTrace, TraceSpan } from "./query_trace.ts";
import { printSelector } from "./selector_text.ts";

/** The part of a Store that queries use. */
export type SearchedStore = Pick<Store, "search" | "capabilities"> & Partial<ColumnStore>;

interface Found<T> {
  readonly batches: AsyncIterable<T>;
  isPartial(): boolean;
}

export function traceStore(store: SearchedStore, trace: QueryTrace): SearchedStore {
  const { capabilities, searchColumns } = store;
  return {
    capabilities,
    search: (request) => traceSearch(trace, request, () => store.search(request)),
    ...(searchColumns === undefined ? {} : { searchColumns: (request, work) => traceSearch(trace, request, () => searchColumns.call(store, request, work)) }),
  };
}

async function traceSearch<T extends SeriesBatch | ColumnBatch>(trace: QueryTrace, request: SearchRequest, search: () => Promise<Found<T>>): Promise<Found<T>> {
  const { minMs, maxMs } = request.range;
  const span = trace.open(`select series of ${printSelector(request.selector)} from ${minMs} to ${maxMs} ms`);
  const result = await trace.wait(span, search);
  const reading = trace.open("read samples");
  return { batches: { [Symbol.asyncIterator]: () => tracedBatches(result.batches, trace, reading) }, isPartial: () => result.isPartial() };
}

function tracedBatches<T extends SeriesBatch | ColumnBatch>(batches: AsyncIterable<T>, trace: QueryTrace, span: TraceSpan): AsyncIterator<T> {
  const inner = batches[Symbol.asyncIterator]();
  const read = { series: 0, samples: 0, batches: 0 };
  const elsewhere = { series: 0, samples: 0, batches: 0, tookMs: 0 };
  return {
    async next() {
      const result = await trace.wait(span, () => inner.next());
      if (result.done !== true) {
        const batch: SeriesBatch | ColumnBatch = result.value;
        if (isColumnBatch(batch)) elsewhere.tookMs += batch.tookMs;
        const counts = isColumnBatch(batch) ? elsewhere : read;
        counts.batches++;
        counts.series += isColumnBatch(batch) ? batch.seriesRead : batch.seriesCount;
        counts.samples += isColumnBatch(batch) ? batch.samplesRead : batch.sampleFrom[batch.seriesCount];
      } else if (elsewhere.batches > 0) {
        const { series, samples, batches: parts, tookMs } = elsewhere;
        span.children.push({ duration_msec: Math.round(tookMs * 1000) / 1000, message: `meanwhile on other threads: read and rolled up ${samples} samples of ${series} series in ${parts} parts` });
      }
      span.message = `read ${read.samples} samples (${read.samples * 16} bytes decoded) of ${read.series} series in ${read.batches} batches`;
      return result;
    },
    return: async () => (await inner.return?.()) ?? { done: true, value: undefined },
  };
}
