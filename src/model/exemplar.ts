/** Exemplars: single observations with labels of their own, such as a trace id, that stand for what a series counts. */
import type { Labels } from "./labels.ts";

export interface Exemplar {
  /** Of the exemplar, not of its series. */
  readonly labels: Labels;
  readonly value: number;
  readonly timestampMs: number;
}

/** An exemplar and the series it belongs to. */
export interface SeriesExemplar extends Exemplar {
  /** The canonical label run of the series. */
  readonly labelRun: Uint8Array;
}
