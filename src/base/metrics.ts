/**
 * The program's own metrics: a registry that every layer can count in, printed in the Prometheus text format. Metrics of one name share
 * a family (type, help); a family's members differ by labels. Whoever counts keeps the counter and adds to it: nothing is looked up on
 * the way. Figures that exist elsewhere are read when the page is printed (`gauge` with `read`, `onCollect`).
 */
import { assert } from "./assert.ts";

export type MetricLabels = Readonly<Record<string, string>>;

type MetricType = "counter" | "gauge" | "summary" | "histogram";

interface Metric {
  /** Appends the sample lines; `labels` is the printed label list without braces. */
  print(name: string, labels: string, out: string[]): void;
}

interface Family {
  readonly type: MetricType;
  readonly help: string;
  readonly members: Map<string, Metric>;
}

/** Only goes up. */
export class Counter implements Metric {
  #value = 0;
  #read: (() => number) | undefined;
  constructor(read?: () => number) {
    this.#read = read;
  }
  increment(by = 1): void {
    this.#value += by;
  }
  get value(): number {
    return this.#read === undefined ? this.#value : this.#read();
  }
  print(name: string, labels: string, out: string[]): void {
    out.push(sampleLine(name, labels, this.value));
  }
}

/** Goes up and down. */
export class Gauge implements Metric {
  #value = 0;
  #read: (() => number) | undefined;
  constructor(read?: () => number) {
    this.#read = read;
  }
  set(value: number): void {
    this.#value = value;
  }
  add(by: number): void {
    this.#value += by;
  }
  get value(): number {
    return this.#read === undefined ? this.#value : this.#read();
  }
  print(name: string, labels: string, out: string[]): void {
    out.push(sampleLine(name, labels, this.value));
  }
}

const summaryQuantiles = [0.5, 0.9, 0.97, 0.99, 1];
const summarySamplesMax = 512;

/** Quantiles of the last 512 observations, and the sum and count of all. */
export class Summary implements Metric {
  readonly #recent = new Float64Array(summarySamplesMax);
  #count = 0;
  #sum = 0;
  observe(value: number): void {
    this.#recent[this.#count % summarySamplesMax] = value;
    this.#count++;
    this.#sum += value;
  }
  print(name: string, labels: string, out: string[]): void {
    const sorted = this.#recent.slice(0, Math.min(this.#count, summarySamplesMax)).sort();
    for (const quantile of sorted.length === 0 ? [] : summaryQuantiles) {
      const value = sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))];
      out.push(sampleLine(name, joinLabels(labels, `quantile="${quantile}"`), value));
    }
    out.push(sampleLine(`${name}_sum`, labels, this.#sum), sampleLine(`${name}_count`, labels, this.#count));
  }
}

/** Counts of observations at or below fixed bounds. */
export class Histogram implements Metric {
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;
  constructor(bounds: readonly number[]) {
    assert(bounds.length > 0 && bounds.every((bound, i) => i === 0 || bound > bounds[i - 1]), "bounds ascend");
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }
  observe(value: number): void {
    let i = 0;
    while (i < this.#bounds.length && value > this.#bounds[i]) i++;
    this.#counts[i]++;
    this.#sum += value;
  }
  print(name: string, labels: string, out: string[]): void {
    let count = 0;
    for (let i = 0; i < this.#counts.length; i++) {
      count += this.#counts[i];
      const bound = i < this.#bounds.length ? printNumber(this.#bounds[i]) : "+Inf";
      out.push(sampleLine(`${name}_bucket`, joinLabels(labels, `le="${bound}"`), count));
    }
    out.push(sampleLine(`${name}_sum`, labels, this.#sum), sampleLine(`${name}_count`, labels, count));
  }
}

export class MetricRegistry {
  readonly #families = new Map<string, Family>();
  readonly #collectors: (() => void)[] = [];

  /** The counter of this name and these labels; made when asked for the first time. */
  counter(name: string, help: string, labels: MetricLabels = {}, read?: () => number): Counter {
    return this.#member(name, "counter", help, labels, () => new Counter(read));
  }

  /** A gauge that is set, or read when the page is printed. */
  gauge(name: string, help: string, labels: MetricLabels = {}, read?: () => number): Gauge {
    return this.#member(name, "gauge", help, labels, () => new Gauge(read));
  }

  summary(name: string, help: string, labels: MetricLabels = {}): Summary {
    return this.#member(name, "summary", help, labels, () => new Summary());
  }

  /** `bounds` are upper bounds of the buckets, ascending, without +Inf. */
  histogram(name: string, help: string, bounds: readonly number[], labels: MetricLabels = {}): Histogram {
    return this.#member(name, "histogram", help, labels, () => new Histogram(bounds));
  }

  /** Calls `collect` before every printing; it sets gauges that are expensive or that change together. */
  onCollect(collect: () => void): void {
    this.#collectors.push(collect);
  }

  /** The page in text format, families and members in order of their names. */
  print(): string {
    for (const collect of this.#collectors) collect();
    const out: string[] = [];
    for (const name of [...this.#families.keys()].sort()) {
      const family = this.#families.get(name)!;
      out.push(`# HELP ${name} ${family.help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`, `# TYPE ${name} ${family.type}`);
      for (const labels of [...family.members.keys()].sort()) family.members.get(labels)!.print(name, labels, out);
    }
    return out.length === 0 ? "" : out.join("\n") + "\n";
  }

  #member<M extends Metric>(name: string, type: MetricType, help: string, labels: MetricLabels, create: () => M): M {
    let family = this.#families.get(name);
    if (family === undefined) {
      family = { type, help, members: new Map() };
      this.#families.set(name, family);
    }
    assert(family.type === type, `metric ${name} is a ${family.type}`);
    const key = printLabels(labels);
    let member = family.members.get(key);
    if (member === undefined) {
      member = create();
      family.members.set(key, member);
    }
    return member as M;
  }
}

function printLabels(labels: MetricLabels): string {
  return Object.entries(labels).map(([name, value]) => `${name}="${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`).join(",");
}

function joinLabels(left: string, right: string): string {
  return left === "" ? right : `${left},${right}`;
}

function sampleLine(name: string, labels: string, value: number): string {
  return `${name}${labels === "" ? "" : `{${labels}}`} ${printNumber(value)}`;
}

function printNumber(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}
