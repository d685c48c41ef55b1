/** The state of the graph that is not in the URL. */
import { signal } from "@preact/signals";
import type { Signal } from "@preact/signals";

/** What somebody did with the graph; it outlasts a refresh. */
export interface GraphView {
  readonly filter: Signal<string>;
  readonly isolated: Signal<ReadonlySet<string>>;
  readonly drawsAll: Signal<boolean>;
  /** Of the series under the mouse, in the graph or in the legend. */
  readonly focusedKey: Signal<string | undefined>;
}

/** A view of all series. */
export function makeGraphView(): GraphView {
  return { filter: signal(""), isolated: signal(new Set()), drawsAll: signal(false), focusedKey: signal(undefined) };
}
