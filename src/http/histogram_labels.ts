/**
 * Answers about labels without the label __histogram__, which native histograms are stored with. In PromQL a histogram foo is the series foo;
 * in MetricsQL it is foo_bucket, foo_count and foo_sum (model/histogram_view.ts). A store without histograms is asked as if there were no such
 * thing.
 */
import type { Dialect } from "../metricsql/parser.ts";
import { histogramLabel, splitHistogramLabel } from "../model/histogram_series.ts";
import { HistogramView } from "../model/histogram_view.ts";
import { type LabelTable, labelTableOf } from "../model/label_table.ts";
import { compareBytewise, compareLabels, type Labels, metricNameLabel } from "../model/labels.ts";
import type { Matcher, Selector } from "../model/matcher.ts";
import type { LabelsRequest, Store } from "../model/store.ts";

const noComponent: Matcher = { name: histogramLabel, op: "=", value: "" };
const countComponent: Matcher = { name: histogramLabel, op: "=", value: "count" };

export class HistogramLabels {
  readonly #store: Store;
  readonly #dialect: Dialect;

  constructor(store: Store, dialect: Dialect) {
    this.#store = store;
    this.#dialect = dialect;
  }

  async names(request: LabelsRequest): Promise<string[]> {
    if (!(await this.#hasHistograms(request))) return this.#store.labelNames(request);
    const names = await this.#store.labelNames({ ...request, selector: this.#everything(request.selector), limit: 0 });
    return limited(names.filter((name) => name !== histogramLabel), request);
  }

  async values(name: string, request: LabelsRequest): Promise<string[]> {
    if (!(await this.#hasHistograms(request))) return this.#store.labelValues(name, request);
    if (name === histogramLabel) return [];
    if (name !== metricNameLabel) return this.#store.labelValues(name, { ...request, selector: this.#everything(request.selector) });
    const found = new Set(await this.#store.labelValues(name, { ...request, selector: narrowed(request.selector, noComponent), limit: 0 }));
    const histograms = await this.#store.labelValues(name, { ...request, selector: narrowed(request.selector, countComponent), limit: 0 });
    for (const histogram of histograms) for (const shown of this.#namesOf(histogram)) found.add(shown);
    if (this.#dialect === "metricsql") for (const labels of await this.#viewedSeries(request)) found.add(labels.find((label) => label.name === name)?.value ?? "");
    return limited([...found].sort(compareBytewise), request);
  }

  async series(request: LabelsRequest): Promise<LabelTable> {
    if (await this.#hasHistograms(request)) return labelTableOf(await this.#seriesWithHistograms(request));
    return (await this.#store.seriesTable?.(request)) ?? labelTableOf(await this.#store.series(request));
  }

  async #seriesWithHistograms(request: LabelsRequest): Promise<Labels[]> {
    if (this.#dialect === "promql") {
      const found = await this.#store.series({ ...request, limit: 0 });
      return limited(distinct(found.map((labels) => splitHistogramLabel(labels)?.labels ?? labels)), request);
    }
    // Who names no metric sees all histograms; each is shown by the series that it is queried by.
    const unnamed = request.selector.filter((group) => !group.some(({ name, op }) => name === metricNameLabel && op === "="));
    const whole = await this.#store.series({ ...request, selector: narrowed(unnamed, countComponent), limit: 0 });
    const shown = whole.flatMap((labels) => {
      const own = splitHistogramLabel(labels)?.labels ?? labels;
      return this.#namesOf(own.find(({ name }) => name === metricNameLabel)?.value ?? "").map((value) => own.map((label) => (label.name === metricNameLabel ? { name: label.name, value } : label)));
    });
    return limited(distinct([...(await this.#viewedSeries(request)), ...shown]), request);
  }

  async #hasHistograms({ tenant, range, signal }: LabelsRequest): Promise<boolean> {
    const request = { tenant, selector: [[]], range, limit: 1, ...(signal !== undefined && { signal }) };
    return (await this.#store.labelValues(histogramLabel, request)).length > 0;
  }

  /** Series that the selector picks, and the histograms that its names stand for. */
  #everything(selector: Selector): Selector {
    return this.#dialect === "promql" ? selector : [...selector, ...new HistogramView(selector).selector];
  }

  async #viewedSeries(request: LabelsRequest): Promise<Labels[]> {
    const view = new HistogramView(request.selector);
    return view.viewSeries(await this.#store.series({ ...request, selector: view.selector, limit: 0 }));
  }

  /** What the histogram `name` is called in queries. */
  #namesOf(name: string): string[] {
    return this.#dialect === "promql" ? [name] : [`${name}_bucket`, `${name}_count`, `${name}_sum`];
  }
}

/** Groups that ask for components themselves stay as they are. */
function narrowed(selector: Selector, matcher: Matcher): Selector {
  return selector.map((group) => (group.some(({ name }) => name === histogramLabel) ? group : [...group, matcher]));
}

function distinct(series: readonly Labels[]): Labels[] {
  const sorted = [...series].sort(compareLabels);
  return sorted.filter((labels, i) => i === 0 || compareLabels(labels, sorted[i - 1]) !== 0);
}

function limited<T>(found: T[], { limit }: LabelsRequest): T[] {
  return limit > 0 ? found.slice(0, limit) : found;
}
