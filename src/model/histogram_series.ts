/**
 * Native histograms as columns of floats. One histogram sample of series L at t is stored as several samples at t, each in the series L with
 * one label more, __histogram__="<component>":
 *
 *   schema         (schema + 64) * 8 + 4 if the counts were whole numbers + reset hint (0 unknown, 1 reset, 2 not_reset, 3 gauge);
 *                  there is a histogram at t where this component has a sample
 *   count, sum     as they are
 *   z:<threshold>  the zero bucket, if it holds something or has a width
 *   p<schema>:<i>  positive bucket i, n<schema>:<i> negative bucket i, if they hold something
 *   c:<bound>      the custom bucket up to this bound (c:+Inf is the last), every one of them, since they tell which bounds there are
 *
 * One more component, `start`, is no part of a histogram: it says since when the sample at t counts, in milliseconds, and stands beside floats
 * and histograms alike. Where it has no sample that is unknown.
 *
 * Counts are absolute. A component without a sample at t is 0 at t. The stale marker is written to schema, count and sum. Why so:
 * docs/decisions/native-histograms.md.
 */
import { compareBytewise, decodeLabelRun, type Label, type Labels } from "./labels.ts";
import {
  type BucketColumns, type CounterResetHint, createHistogram, customBucketsSchema, type FloatHistogram, hasCustomBuckets, isExponentialSchema, noBuckets, staleHistogram,
} from "./native_histogram.ts";
import { isStaleMarker, type RowBatch, sampleKindHistogram, seriesRow } from "./row_batch.ts";

/** Holds the component; nobody may send it. */
export const histogramLabel = "__histogram__";

/** The component that holds start timestamps. */
export const startComponent = "start";

/** The components that a stale marker is written to. */
export const staleComponents: readonly string[] = ["schema", "count", "sum"];

const resetHints: readonly CounterResetHint[] = ["unknown", "reset", "not_reset", "gauge"];
const integerFlag = 4;

function schemaCode(histogram: FloatHistogram): number {
  return (histogram.schema + 64) * 8 + (histogram.isInteger === true ? integerFlag : 0) + resetHints.indexOf(histogram.resetHint);
}

/** Prints a bound or threshold so that it is read back exactly. */
function printBound(bound: number): string {
  return bound === Infinity ? "+Inf" : bound === -Infinity ? "-Inf" : String(bound);
}

function parseBound(text: string): number {
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);
}

/** Calls `visit` for each component of a histogram (not the stale one). */
export function visitComponents(histogram: FloatHistogram, visit: (component: string, value: number) => void): void {
  visit("schema", schemaCode(histogram));
  visit("count", histogram.count);
  visit("sum", histogram.sum);
  if (hasCustomBuckets(histogram)) return visitCustomBuckets(histogram, visit);
  if (histogram.zeroThreshold !== 0 || histogram.zeroCount !== 0) visit(`z:${printBound(histogram.zeroThreshold)}`, histogram.zeroCount);
  visitBuckets(`p${histogram.schema}:`, histogram.positive, visit);
  visitBuckets(`n${histogram.schema}:`, histogram.negative, visit);
}

function visitBuckets(prefix: string, { indexes, counts }: BucketColumns, visit: (component: string, value: number) => void): void {
  for (let i = 0; i < indexes.length; i++) if (counts[i] !== 0) visit(prefix + indexes[i], counts[i]);
}

function visitCustomBuckets({ customBounds, positive }: FloatHistogram, visit: (component: string, value: number) => void): void {
  for (let index = 0, i = 0; index <= customBounds.length; index++) {
    const isThere = i < positive.indexes.length && positive.indexes[i] === index;
    visit(`c:${printBound(index < customBounds.length ? customBounds[index] : Infinity)}`, isThere ? positive.counts[i++] : 0);
  }
}

// ---- what a component is ----

export type HistogramComponent =
  | { readonly kind: "schema" | "count" | "sum" }
  | { readonly kind: "zero"; readonly threshold: number }
  | { readonly kind: "positive" | "negative"; readonly schema: number; readonly index: number }
  | { readonly kind: "custom"; readonly bound: number };

/** Reads the value of __histogram__; undefined if it is none that we write. */
export function parseComponent(text: string): HistogramComponent | undefined {
  if (text === "schema" || text === "count" || text === "sum") return { kind: text };
  const at = text.indexOf(":");
  if (at < 1) return undefined;
  const number = parseBound(text.slice(at + 1));
  if (Number.isNaN(number) || at + 1 === text.length) return undefined;
  if (at === 1 && text[0] === "z") return number >= 0 ? { kind: "zero", threshold: number } : undefined;
  if (at === 1 && text[0] === "c") return { kind: "custom", bound: number };
  const schema = at === 1 ? NaN : Number(text.slice(1, at));
  if ((text[0] !== "p" && text[0] !== "n") || !isExponentialSchema(schema) || !Number.isInteger(schema) || (number | 0) !== number) return undefined;
  return { kind: text[0] === "p" ? "positive" : "negative", schema, index: number };
}

/** The labels of a component's series without the component, and the component; undefined for all other series. */
export function splitHistogramLabel(labels: Labels): { readonly labels: Labels; readonly component: string } | undefined {
  const at = labels.findIndex((label) => label.name === histogramLabel);
  return at < 0 ? undefined : { labels: labels.toSpliced(at, 1), component: labels[at].value };
}

/** `labels` and the component. */
export function withHistogramLabel(labels: Labels, component: string): Labels {
  const label: Label = { name: histogramLabel, value: component };
  const at = labels.findIndex(({ name }) => compareBytewise(name, histogramLabel) > 0);
  return at < 0 ? [...labels, label] : labels.toSpliced(at, 0, label);
}

/** Samples of a batch, where a native histogram is one, however many components it has. */
export function countSamples({ seriesCount, sampleCount, seriesRows, labelBytes }: RowBatch): number {
  let count = sampleCount;
  for (let row = 0; row < seriesCount * seriesRow.slots; row += seriesRow.slots) {
    if (seriesRows[row + seriesRow.sampleKind] !== sampleKindHistogram) continue;
    const from = seriesRows[row + seriesRow.labelsOffset];
    const split = splitHistogramLabel(decodeLabelRun(labelBytes, from, from + seriesRows[row + seriesRow.labelsSize]));
    if (split !== undefined && split.component !== "count") count -= seriesRows[row + seriesRow.sampleCount];
  }
  return count;
}

// ---- joining ----

/** The samples of one component, ascending by time. Of samples with the same time the last one counts. */
export interface ComponentColumns {
  readonly component: string;
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
}

/** Histograms by time; staleHistogram where the series ended. */
export interface HistogramColumns {
  readonly timestampsMs: Float64Array;
  readonly histograms: readonly FloatHistogram[];
}

/** One component while it is being walked along the times of the histograms. */
interface Cursor extends ComponentColumns {
  readonly parsed: HistogramComponent;
  next: number;
}

/** The value at `timestampMs` as an index into the columns, -1 if there is none. Asked with ascending times. */
function advance(cursor: Cursor, timestampMs: number): number {
  const { timestampsMs } = cursor;
  while (cursor.next < timestampsMs.length && timestampsMs[cursor.next] <= timestampMs) cursor.next++;
  return cursor.next > 0 && timestampsMs[cursor.next - 1] === timestampMs ? cursor.next - 1 : -1;
}

/** The buckets of one sign and schema, or the custom ones, in the order of their indexes or bounds. */
class BucketCursors {
  readonly #cursors: readonly Cursor[];
  readonly #order: readonly number[];
  readonly #indexes: Int32Array;
  readonly #counts: Float64Array;

  constructor(cursors: readonly Cursor[], orderOf: (component: HistogramComponent) => number) {
    this.#cursors = [...cursors].sort((a, b) => orderOf(a.parsed) - orderOf(b.parsed));
    this.#order = this.#cursors.map((cursor) => orderOf(cursor.parsed));
    this.#indexes = new Int32Array(cursors.length);
    this.#counts = new Float64Array(cursors.length);
  }

  /** Those that hold something at `timestampMs`. */
  bucketsAt(timestampMs: number): BucketColumns {
    let count = 0;
    for (let i = 0; i < this.#cursors.length; i++) {
      const cursor = this.#cursors[i];
      const at = advance(cursor, timestampMs);
      if (at < 0 || cursor.values[at] === 0 || isStaleMarker(cursor.values, at)) continue;
      this.#indexes[count] = this.#order[i];
      this.#counts[count++] = cursor.values[at];
    }
    return count === 0 ? noBuckets : { indexes: this.#indexes.slice(0, count), counts: this.#counts.slice(0, count) };
  }

  /** The custom buckets at `timestampMs` and the bounds between them. */
  customAt(timestampMs: number, boundsBefore: Float64Array): { positive: BucketColumns; customBounds: Float64Array } {
    const bounds: number[] = [];
    let [count, index] = [0, 0];
    for (let i = 0; i < this.#cursors.length; i++) {
      const cursor = this.#cursors[i];
      const at = advance(cursor, timestampMs);
      if (at < 0 || isStaleMarker(cursor.values, at)) continue;
      if (this.#order[i] !== Infinity) bounds.push(this.#order[i]);
      if (cursor.values[at] !== 0) {
        this.#indexes[count] = index;
        this.#counts[count++] = cursor.values[at];
      }
      index++;
    }
    const isSame = bounds.length === boundsBefore.length && bounds.every((bound, i) => bound === boundsBefore[i]);
    const positive = count === 0 ? noBuckets : { indexes: this.#indexes.slice(0, count), counts: this.#counts.slice(0, count) };
    return { positive, customBounds: isSame ? boundsBefore : Float64Array.from(bounds) };
  }
}

/** All components of one series, sorted out. */
class ComponentSet {
  readonly schemas: Cursor | undefined;
  readonly #count: Cursor | undefined;
  readonly #sum: Cursor | undefined;
  readonly #zeros: readonly Cursor[];
  readonly #buckets = new Map<string, BucketCursors>();
  readonly #custom: BucketCursors;
  #bounds = new Float64Array(0);

  constructor(components: readonly ComponentColumns[]) {
    const cursors = components.flatMap((columns): Cursor[] => {
      const parsed = parseComponent(columns.component);
      return parsed === undefined ? [] : [{ ...columns, parsed, next: 0 }];
    });
    const one = (kind: string): Cursor | undefined => cursors.find((cursor) => cursor.parsed.kind === kind);
    this.schemas = one("schema");
    this.#count = one("count");
    this.#sum = one("sum");
    this.#zeros = cursors.filter((cursor) => cursor.parsed.kind === "zero");
    this.#custom = new BucketCursors(cursors.filter((cursor) => cursor.parsed.kind === "custom"), (parsed) => (parsed.kind === "custom" ? parsed.bound : 0));
    const keyOf = ({ parsed }: Cursor): string => (parsed.kind === "positive" || parsed.kind === "negative" ? bucketsKey(parsed.kind, parsed.schema) : "");
    for (const [key, group] of Map.groupBy(cursors, keyOf)) {
      if (key !== "") this.#buckets.set(key, new BucketCursors(group, (parsed) => ("index" in parsed ? parsed.index : 0)));
    }
  }

  /** The histogram at `timestampMs`, where `code` is the value of the schema component. */
  histogramAt(timestampMs: number, code: number): FloatHistogram | undefined {
    const schema = Math.floor(code / 8) - 64;
    if (!isExponentialSchema(schema) && schema !== customBucketsSchema) return undefined;
    const resetHint = resetHints[code & 3];
    const [count, sum] = [valueAt(this.#count, timestampMs), valueAt(this.#sum, timestampMs)];
    if (count === undefined || sum === undefined) return undefined;
    const fields: Partial<FloatHistogram> = { schema, resetHint, count, sum, ...((code & integerFlag) !== 0 && { isInteger: true }) };
    if (schema === customBucketsSchema) {
      const custom = this.#custom.customAt(timestampMs, this.#bounds);
      this.#bounds = custom.customBounds as Float64Array<ArrayBuffer>;
      return createHistogram({ ...fields, ...custom });
    }
    const positive = this.#buckets.get(bucketsKey("positive", schema))?.bucketsAt(timestampMs) ?? noBuckets;
    const negative = this.#buckets.get(bucketsKey("negative", schema))?.bucketsAt(timestampMs) ?? noBuckets;
    return createHistogram({ ...fields, ...this.#zeroAt(timestampMs), positive, negative });
  }

  #zeroAt(timestampMs: number): { zeroThreshold: number; zeroCount: number } {
    let [zeroThreshold, zeroCount] = [0, 0];
    for (const cursor of this.#zeros) {
      const at = advance(cursor, timestampMs);
      if (at < 0 || cursor.parsed.kind !== "zero" || isStaleMarker(cursor.values, at)) continue;
      zeroThreshold = cursor.parsed.threshold;
      zeroCount = cursor.values[at];
    }
    return { zeroThreshold, zeroCount };
  }
}

function bucketsKey(kind: "positive" | "negative", schema: number): string {
  return `${kind}${schema}`;
}

/** The value at `timestampMs`; undefined if there is none or a stale marker. */
function valueAt(cursor: Cursor | undefined, timestampMs: number): number | undefined {
  if (cursor === undefined) return undefined;
  const at = advance(cursor, timestampMs);
  return at < 0 || isStaleMarker(cursor.values, at) ? undefined : cursor.values[at];
}

/** The histograms of one series, of which `components` are all that have samples. Times without a readable histogram are left out. */
export function joinHistograms(components: readonly ComponentColumns[]): HistogramColumns {
  const set = new ComponentSet(components);
  const timestampsMs: number[] = [];
  const histograms: FloatHistogram[] = [];
  const { schemas } = set;
  if (schemas === undefined) return { timestampsMs: new Float64Array(0), histograms };
  for (let i = 0; i < schemas.timestampsMs.length; i++) {
    const timestampMs = schemas.timestampsMs[i];
    if (i + 1 < schemas.timestampsMs.length && schemas.timestampsMs[i + 1] === timestampMs) continue;
    const histogram = isStaleMarker(schemas.values, i) ? staleHistogram : set.histogramAt(timestampMs, schemas.values[i]);
    if (histogram === undefined) continue;
    timestampsMs.push(timestampMs);
    histograms.push(histogram);
  }
  return { timestampsMs: Float64Array.from(timestampsMs), histograms };
}
