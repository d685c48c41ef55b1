/** Memory that a thread has no use for while it has nothing to do. V8 collects when something is allocated, which may be hours later. */
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** A heap with less room than this to spare is left as it is. */
const spareBytesMin = 24 << 20;

let collect: (() => void) | undefined;

/** Collects the heap of this thread if it may give much back: it has garbage, or memories outside of it that nobody refers to. */
export function giveHeapBack(hasDropped: boolean): void {
  const { total_heap_size: total, used_heap_size: used, external_memory: external } = getHeapStatistics();
  if (!hasDropped && total - used < spareBytesMin && used + external < 2 * spareBytesMin) return;
  collect ??= collector();
  collect();
}

/** The collection of this thread's heap. V8 hands it to contexts that are made while the flag is set. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  setFlagsFromString("--no-expose-gc");
  return gc;
}
