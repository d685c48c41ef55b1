/**
 * Warnings and infos that go with an answer, in Prometheus' words and with the place in the query that they are about:
 *
 *   PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "up" (1:6)
 *
 * The same text is given once, whatever its place.
 */
import { formatG, formatPrecise } from "./go_format.ts";

type AnnotationKind = "warning" | "info";

interface Annotation {
  readonly kind: AnnotationKind;
  readonly text: string;
  position: number;
  /** Only of histograms whose buckets had to be made monotonic. */
  readonly monotonicity?: Monotonicity;
}

/** Where the counts of classic buckets had to be raised, over all points that had to be. */
interface Monotonicity {
  fromMs: number;
  toMs: number;
  minBucket: number;
  maxBucket: number;
  maxDiff: number;
  count: number;
}

/** What is listed of each kind; more are counted. */
const listedMax = 10;

export type HistogramOperation = "addition" | "subtraction" | "aggregation";

/** The annotations of one query; the methods are named after what is wrong. */
export class Annotations {
  readonly #all = new Map<string, Annotation>();

  invalidRatio(value: number, capped: number, position: number): void {
    this.#warn(`ratio value should be between -1 and 1, got ${formatG(value)}, capping to ${formatG(capped)}`, position);
  }

  invalidQuantile(value: number, position: number): void {
    this.#warn(`quantile value should be between 0 and 1, got ${formatG(value)}`, position);
  }

  badBucketLabel(metricName: string, label: string, position: number): void {
    this.#warn(`bucket label "le" is missing or has a malformed value of ${JSON.stringify(label)}${ofMetric(metricName)}`, position);
  }

  mixedFloatsAndHistograms(metricName: string, position: number): void {
    this.#warn(`encountered a mix of histograms and floats for metric name ${JSON.stringify(metricName)}`, position);
  }

  mixedFloatsAndHistogramsInAggregation(position: number): void {
    this.#warn("encountered a mix of histograms and floats for aggregation", position);
  }

  mixedClassicAndNative(metricName: string, position: number): void {
    this.#warn(`vector contains a mix of classic and native histograms${ofMetric(metricName)}`, position);
  }

  notCounter(metricName: string, position: number): void {
    this.#warn(`this native histogram metric is not a counter: ${JSON.stringify(metricName)}`, position);
  }

  notGauge(metricName: string, position: number): void {
    this.#warn(`this native histogram metric is not a gauge: ${JSON.stringify(metricName)}`, position);
  }

  mixedSchemas(metricName: string, position: number): void {
    const problem = "vector contains a mix of histograms with exponential and custom buckets schemas for metric name";
    this.#warn(`${problem} ${JSON.stringify(metricName)}`, position);
  }

  incompatibleBuckets(operator: string, position: number): void {
    this.#warn(`incompatible bucket layout encountered for binary operator ${operator}`, position);
  }

  counterResetCollision(operation: HistogramOperation, position: number): void {
    this.#warn(`conflicting counter resets during histogram ${operation}`, position);
  }

  overlappingStart(metricName: string, position: number): void {
    this.#warn(`sample has start time that overlaps with previous sample timestamp for metric ${JSON.stringify(metricName)}`, position);
  }

  sortInRangeQuery(position: number): void {
    this.#warn("sort is ineffective for range queries since results are always ordered by labels", position);
  }

  possibleNonCounter(metricName: string, position: number): void {
    const problem = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket:";
    this.#inform(`${problem} ${JSON.stringify(metricName)}`, position);
  }

  incompatibleTypes(left: string, operator: string, right: string, position: number): void {
    this.#inform(`incompatible sample types encountered for binary operator ${JSON.stringify(operator)}: ${left} ${operator} ${right}`, position);
  }

  histogramIgnored(aggregation: string, position: number): void {
    this.#inform(`ignored histogram in ${aggregation} aggregation`, position);
  }

  histogramIgnoredInRange(metricName: string, position: number): void {
    this.#inform(`ignored histograms in a range containing both floats and histograms for metric name ${JSON.stringify(metricName)}`, position);
  }

  quantileIsNaN(metricName: string, position: number): void {
    this.#inform(`input to histogram_quantile has NaN observations, result is NaN${ofMetric(metricName)}`, position);
  }

  quantileIsSkewed(metricName: string, position: number): void {
    this.#inform(`input to histogram_quantile has NaN observations, result is skewed higher${ofMetric(metricName)}`, position);
  }

  fractionExcludesNaN(metricName: string, position: number): void {
    this.#inform(`input to histogram_fraction has NaN observations, which are excluded from all fractions${ofMetric(metricName)}`, position);
  }

  reconciledBuckets(operation: HistogramOperation, position: number): void {
    this.#inform(`mismatched custom buckets were reconciled during ${operation}`, position);
  }

  forcedMonotonicity(metricName: string, timeMs: number, minBucket: number, maxBucket: number, maxDiff: number, position: number): void {
    const link = "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile";
    const text = `input to histogram_quantile needed to be fixed for monotonicity (see ${link})${ofMetric(metricName)}`;
    const known = this.#all.get(text)?.monotonicity;
    if (known === undefined) {
      this.#all.set(text, { kind: "info", text, position, monotonicity: { fromMs: timeMs, toMs: timeMs, minBucket, maxBucket, maxDiff, count: 1 } });
      return;
    }
    known.fromMs = Math.min(known.fromMs, timeMs);
    known.toMs = Math.max(known.toMs, timeMs);
    known.minBucket = Math.min(known.minBucket, minBucket);
    known.maxBucket = Math.max(known.maxBucket, maxBucket);
    known.maxDiff = Math.max(known.maxDiff, maxDiff);
    known.count++;
  }

  /** The warnings as they are given to the user; positions are places in `query`. */
  warnings(query: string): string[] {
    return this.#list("warning", query);
  }

  infos(query: string): string[] {
    return this.#list("info", query);
  }

  #list(kind: AnnotationKind, query: string): string[] {
    const all = [...this.#all.values()].filter((annotation) => annotation.kind === kind);
    const listed = all.slice(0, listedMax).map((annotation) => printAnnotation(annotation, query));
    if (all.length > listedMax) listed.push(`${all.length - listedMax} more ${kind} annotations omitted`);
    return listed;
  }

  #warn(text: string, position: number): void {
    this.#add("warning", text, position);
  }

  #inform(text: string, position: number): void {
    this.#add("info", text, position);
  }

  #add(kind: AnnotationKind, text: string, position: number): void {
    const known = this.#all.get(text);
    if (known === undefined) this.#all.set(text, { kind, text, position });
    else known.position = position;
  }
}

function ofMetric(metricName: string): string {
  return metricName === "" ? "" : ` for metric name ${JSON.stringify(metricName)}`;
}

function printAnnotation({ kind, text, position, monotonicity }: Annotation, query: string): string {
  const details = monotonicity === undefined ? "" : printMonotonicity(monotonicity);
  return `PromQL ${kind}: ${text}${details} (${printPosition(query, position)})`;
}

function printMonotonicity({ fromMs, toMs, minBucket, maxBucket, maxDiff, count }: Monotonicity): string {
  const buckets = `from buckets ${formatG(minBucket)} to ${formatG(maxBucket)}, with a max diff of ${formatPrecise(maxDiff, 2)}`;
  return `, ${buckets}, over ${count} samples from ${printSeconds(fromMs)} to ${printSeconds(toMs)}`;
}

function printSeconds(timeMs: number): string {
  return new Date(Math.trunc(timeMs / 1000) * 1000).toISOString().replace(".000Z", "Z");
}

/** Line and column, both from 1; the column counts bytes. */
function printPosition(query: string, position: number): string {
  const before = query.slice(0, position);
  const lineStart = before.lastIndexOf("\n") + 1;
  return `${before.split("\n").length}:${Buffer.byteLength(before.slice(lineStart)) + 1}`;
}
