/** A Store whose searches are steps of a trace: selecting series, and reading and decoding their samples. */
import type { SearchRequest, SearchResult, SeriesBatch, Store } from "../model/store.ts";
import type { QueryTrace, TraceSpan } from "./query_trace.ts";
import { printSelector } from "./selector_text.ts";

/** The part of a Store that queries use. */
export type SearchedStore = Pick<Store, "search" | "capabilities">;

export function traceStore(store: SearchedStore, trace: QueryTrace): SearchedStore {
  return { capabilities: store.capabilities, search: (request) => search(store, trace, request) };
}

async function search(store: SearchedStore, trace: QueryTrace, request: SearchRequest): Promise<SearchResult> {
  const { minMs, maxMs } = request.range;
  const span = trace.open(`select series of ${printSelector(request.selector)} from ${minMs} to ${maxMs} ms`);
  const result = await trace.wait(span, () => store.search(request));
  const reading = trace.open("read samples");
  return { ...result, batches: { [Symbol.asyncIterator]: () => tracedBatches(result.batches, trace, reading) }, isPartial: () => result.isPartial() };
}

function tracedBatches(batches: AsyncIterable<SeriesBatch>, trace: QueryTrace, span: TraceSpan): AsyncIterator<SeriesBatch> {
  const inner = batches[Symbol.asyncIterator]();
  let series = 0;
  let samples = 0;
  let count = 0;
  return {
    async next() {
      const result = await trace.wait(span, () => inner.next());
      if (result.done !== true) {
        count++;
        series += result.value.seriesCount;
        samples += result.value.sampleFrom[result.value.seriesCount];
      }
      span.message = `read ${samples} samples (${samples * 16} bytes decoded) of ${series} series in ${count} batches`;
      return result;
    },
    return: async () => (await inner.return?.()) ?? { done: true, value: undefined },
  };
}
