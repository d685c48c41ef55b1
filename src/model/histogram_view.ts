/**
 * Native histograms in the eyes of MetricsQL: the components that a histogram foo is stored as (histogram_series.ts) appear as
 *
 *   foo_count, foo_sum                 floats
 *   foo_bucket{vmrange="low...high"}   one series per bucket
 *
 * when they are selected by such names, and not at all otherwise. Where a classic histogram of the same labels is stored, too, that one is
 * shown. A Store that has histograms searches with `selector` instead of the selector it was given and passes the batches through
 * `view`; one that has none does neither.
 */
import { type ComponentColumns, type HistogramComponent, histogramLabel, parseComponent, splitHistogramLabel } from "./histogram_series.ts";
import { compareBytewise, encodeLabelRun, type Label, type Labels, labelValue, metricNameLabel } from "./labels.ts";
import type { Matcher, Selector } from "./matcher.ts";
import { exponentialBound } from "./native_histogram.ts";
import { compileMatcher } from "./regexp.ts";
import type { SeriesBatch } from "./store.ts";

export const rangeLabel = "vmrange";

const suffixes = ["_count", "_sum", "_bucket"] as const;
type Suffix = (typeof suffixes)[number];

/** One name that is asked for as if the histogram had been taken apart. */
interface ViewedName {
  readonly name: string;
  readonly suffix: Suffix;
  /** What is asked of the label vmrange. */
  readonly allowsRange: (range: string) => boolean;
}

const noComponents: Matcher = { name: histogramLabel, op: "=", value: "" };
const componentMatchers: Readonly<Record<Suffix, Matcher>> = {
  _count: { name: histogramLabel, op: "=", value: "count" },
  _sum: { name: histogramLabel, op: "=", value: "sum" },
  _bucket: { name: histogramLabel, op: "=~", value: ".*:.*" },
};

/** Series of a batch of its own. */
interface ViewedSeries {
  readonly labels: Labels;
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
}

/** The series of one batch are not more than this. */
const batchSeriesMax = 1024;

export class HistogramView {
  /** What to search for. A group that asks for components itself is left as it is. */
  readonly selector: Selector;
  readonly #names: readonly ViewedName[];

  constructor(selector: Selector) {
    const names: ViewedName[] = [];
    const groups: (readonly Matcher[])[] = [];
    for (const group of selector) {
      if (group.some(({ name }) => name === histogramLabel)) {
        groups.push(group);
        continue;
      }
      groups.push([...group, noComponents]);
      const viewed = viewedGroup(group);
      if (viewed === undefined) continue;
      groups.push(viewed.group);
      names.push(viewed.name);
    }
    this.selector = groups;
    this.#names = names;
  }

  /** The batches of a search for `selector`, with components as they are seen. */
  view(batches: AsyncIterable<SeriesBatch>): AsyncIterable<SeriesBatch> {
    return this.#names.length === 0 ? batches : this.#view(batches);
  }

  async *#view(batches: AsyncIterable<SeriesBatch>): AsyncGenerator<SeriesBatch, void, void> {
    const gathered = new Gathered();
    for await (const batch of batches) {
      const floats = gathered.take(batch);
      if (floats === undefined) yield batch;
      else yield* seriesBatches(floats);
    }
    yield* seriesBatches(gathered.series(this.#names));
  }

  /** The label sets of a series request for `selector`, as they are seen, in any order. */
  viewSeries(found: readonly Labels[]): Labels[] {
    const gathered = new Gathered();
    const none = new Float64Array(0);
    const floats = found.filter((labels) => !gathered.add(labels, () => ({ timestampsMs: none, values: none })));
    return [...floats, ...gathered.series(this.#names).map(({ labels }) => labels)];
  }
}

/** The components that stand for the name that a group asks for; undefined if that is none of a histogram. */
function viewedGroup(group: readonly Matcher[]): { group: readonly Matcher[]; name: ViewedName } | undefined {
  const asked = group.find(({ name, op }) => name === metricNameLabel && op === "=");
  const suffix = suffixes.find((one) => asked?.value.endsWith(one) === true && asked.value.length > one.length);
  if (asked === undefined || suffix === undefined) return undefined;
  const name = asked.value.slice(0, -suffix.length);
  const tests = group.filter((matcher) => matcher.name === rangeLabel).map(({ op, value }) => compileMatcher(op, value));
  const rest = group.filter((matcher) => matcher !== asked && matcher.name !== rangeLabel);
  return {
    group: [{ ...asked, value: name }, ...rest, componentMatchers[suffix]],
    name: { name, suffix, allowsRange: (range) => tests.every((matches) => matches(range)) },
  };
}

/** What was found while the batches went by. */
class Gathered {
  /** Floats by labels, and by labels without le. */
  readonly #floats = new Set<string>();
  readonly #histograms = new Map<string, { labels: Labels; components: ComponentColumns[] }>();

  /** Takes the components out of a batch; returns its other series, or undefined if there were no components. */
  take(batch: SeriesBatch): ViewedSeries[] | undefined {
    const floats: number[] = [];
    for (let i = 0; i < batch.seriesCount; i++) {
      const copied = (): Pick<ViewedSeries, "timestampsMs" | "values"> => copiedSamples(batch, i);
      if (!this.add(batch.labels(i), copied)) floats.push(i);
    }
    if (floats.length === batch.seriesCount) return undefined;
    return floats.map((i) => ({ labels: batch.labels(i), ...copiedSamples(batch, i) }));
  }

  /** False for a series that is no component. */
  add(labels: Labels, samples: () => Pick<ViewedSeries, "timestampsMs" | "values">): boolean {
    const split = splitHistogramLabel(labels);
    if (split === undefined) {
      this.#floats.add(keyOf(labels));
      if (labelValue(labels, "le") !== "") this.#floats.add(keyOf(labels.filter(({ name }) => name !== "le")));
      return false;
    }
    const key = keyOf(split.labels);
    const histogram = this.#histograms.get(key) ?? { labels: split.labels, components: [] };
    this.#histograms.set(key, histogram);
    histogram.components.push({ component: split.component, ...samples() });
    return true;
  }

  series(names: readonly ViewedName[]): ViewedSeries[] {
    const result: ViewedSeries[] = [];
    for (const { labels, components } of this.#histograms.values()) {
      const asked = names.filter(({ name }) => name === labelValue(labels, metricNameLabel));
      const ranges = rangesOf(components);
      for (const { component, timestampsMs, values } of components) {
        const range = ranges.get(component);
        const suffix = range !== undefined ? "_bucket" : component === "count" ? "_count" : component === "sum" ? "_sum" : undefined;
        if (!asked.some((one) => one.suffix === suffix && (range === undefined || one.allowsRange(range)))) continue;
        const named = labels.map((label) => (label.name === metricNameLabel ? { name: metricNameLabel, value: label.value + suffix } : label));
        if (!this.#floats.has(keyOf(named))) result.push({ labels: range === undefined ? named : withRange(named, range), timestampsMs, values });
      }
    }
    return result;
  }
}

function copiedSamples(batch: SeriesBatch, index: number): Pick<ViewedSeries, "timestampsMs" | "values"> {
  const [from, to] = [batch.sampleFrom[index], batch.sampleFrom[index + 1]];
  return { timestampsMs: batch.timestampsMs.slice(from, to), values: batch.values.slice(from, to) };
}

function keyOf(labels: Labels): string {
  return Buffer.from(encodeLabelRun(labels)).toString("latin1");
}

function withRange(labels: Labels, range: string): Labels {
  const label: Label = { name: rangeLabel, value: range };
  return [...labels.filter(({ name }) => name !== rangeLabel), label].sort((a, b) => compareBytewise(a.name, b.name));
}

// ---- ranges ----

/**
 * The range of each bucket among the components of one series. Zero buckets reach from 0 if there are no negative ones; custom ones from the bound
 * before them, the first from 0 if its bound is above. Ranges that meet have the same text for their bound.
 */
function rangesOf(components: readonly ComponentColumns[]): Map<string, string> {
  const parsed = components.map(({ component }) => ({ component, parsed: parseComponent(component) }));
  const hasNegative = parsed.some((one) => one.parsed?.kind === "negative");
  const bounds = parsed.flatMap((one) => (one.parsed?.kind === "custom" ? one.parsed.bound : [])).sort((a, b) => a - b);
  return new Map(parsed.flatMap((one): [string, string][] => {
    const range = one.parsed && rangeOf(one.parsed, hasNegative, bounds);
    return range === undefined ? [] : [[one.component, `${printBound(range[0])}...${printBound(range[1])}`]];
  }));
}

function rangeOf(component: HistogramComponent, hasNegative: boolean, bounds: readonly number[]): readonly [low: number, high: number] | undefined {
  switch (component.kind) {
    case "positive":
      return [exponentialBound(component.index - 1, component.schema), exponentialBound(component.index, component.schema)];
    case "negative":
      return [-exponentialBound(component.index, component.schema), -exponentialBound(component.index - 1, component.schema)];
    case "zero":
      return [hasNegative ? -component.threshold : 0, component.threshold];
    case "custom":
      return [bounds.findLast((bound) => bound < component.bound) ?? (component.bound > 0 ? 0 : -Infinity), component.bound];
    default:
      return undefined;
  }
}

function printBound(bound: number): string {
  return bound === Infinity ? "+Inf" : bound === -Infinity ? "-Inf" : String(bound === 0 ? 0 : bound);
}

function* seriesBatches(series: readonly ViewedSeries[]): Generator<SeriesBatch, void, void> {
  for (let from = 0; from < series.length; from += batchSeriesMax) yield batchOf(series.slice(from, from + batchSeriesMax));
}

function batchOf(series: readonly ViewedSeries[]): SeriesBatch {
  const sampleFrom = new Uint32Array(series.length + 1);
  series.forEach(({ values }, i) => (sampleFrom[i + 1] = sampleFrom[i] + values.length));
  const timestampsMs = new Float64Array(sampleFrom[series.length]);
  const values = new Float64Array(sampleFrom[series.length]);
  series.forEach((one, i) => {
    timestampsMs.set(one.timestampsMs, sampleFrom[i]);
    values.set(one.values, sampleFrom[i]);
  });
  return { seriesCount: series.length, sampleFrom, timestampsMs, values, labels: (index) => series[index].labels };
}
