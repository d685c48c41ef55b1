/**
 * Series for comparing query languages with other servers: a fleet of hosts made from one page of node_exporter, devops metrics as TSBS has them,
 * and small irregular series: resets, gaps, stale markers, different intervals, series that follow each other. Values have few digits, so that a
 * server that stores decimal numbers keeps them.
 */
import type { Random } from "../src/base/random.ts";
import type { Label } from "../src/model/labels.ts";
import { writeStaleMarker } from "../src/model/row_batch.ts";
import type { BodySeries } from "./remote_write_body.ts";

function toLabels(record: Readonly<Record<string, string>>): Label[] {
  return Object.keys(record).sort().map((name) => ({ name, value: record[name] }));
}

function regularTimes(startMs: number, intervalMs: number, samples: number): number[] {
  return Array.from({ length: samples }, (_, i) => startMs + i * intervalMs);
}

function round(value: number): number {
  return Number(value.toPrecision(9));
}

/** A page of node_exporter as that of several hosts over some time: counters grow, gauges move around, constants stay. */
export function fleetOfPage(page: string, random: Random, options: { startMs: number; intervalMs: number; samples: number; hosts: number }): BodySeries[] {
  const counters = new Set([...page.matchAll(/^# TYPE (\S+) counter$/gm)].map(([, name]) => name));
  const rows = [...page.matchAll(/^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/gm)].filter(([, , , value]) => value !== "NaN");
  const timestampsMs = regularTimes(options.startMs, options.intervalMs, options.samples);
  return Array.from({ length: options.hosts }, (_, host) => rows.map(([, name, labels, value]) => {
    const record: Record<string, string> = { __name__: name, job: "node", instance: `host-${host}:9100` };
    for (const [, label, text] of (labels ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) record[label] = text.replaceAll(/\\(.)/g, "$1");
    const next = counters.has(name) ? random.int(40) === 0 ? constant : counter(random) : Number(value) === 1 || Number(value) === 0 ? constant : gauge(random);
    return { labels: toLabels(record), timestampsMs, values: walk(round(Number(value)), options.samples, next) };
  })).flat();
}

type Next = (previous: number, first: number) => number;
const constant: Next = (previous) => previous;

function counter(random: Random): Next {
  const pace = 10 ** random.int(5);
  return (previous) => (random.int(500) === 0 ? 0 : round(previous + random.int(pace)));
}

function gauge(random: Random): Next {
  return (_, first) => round(first * (0.5 + random.next()));
}

function walk(first: number, samples: number, next: Next): Float64Array {
  const values = new Float64Array(samples);
  values[0] = next(first, first);
  for (let i = 1; i < samples; i++) values[i] = next(values[i - 1], first);
  return values;
}

/** The ten CPU metrics of TSBS for some hosts, whole percents. */
export function devopsSeries(random: Random, options: { startMs: number; intervalMs: number; samples: number; hosts: number }): BodySeries[] {
  const fields = ["user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"];
  const timestampsMs = regularTimes(options.startMs, options.intervalMs, options.samples);
  return Array.from({ length: options.hosts }, (_, host) => fields.map((field) => ({
    labels: toLabels({ __name__: `cpu_usage_${field}`, hostname: `host_${host}`, region: `r${host % 3}` }),
    timestampsMs,
    values: walk(random.int(101), options.samples, (previous) => Math.min(100, Math.max(0, previous + random.int(21) - 10))),
  }))).flat();
}

interface Irregular {
  readonly intervalMs: number;
  readonly jitterMs?: number;
  readonly from?: number;
  readonly to?: number;
}

/** How long the irregular series last. */
export const irregularMs = 3_600_000;

/** The two labels of the irregular series, and their values. */
export interface IrregularLabels {
  readonly outer: readonly [name: string, values: readonly string[]];
  readonly inner: readonly [name: string, values: readonly string[]];
}

const usualLabels: IrregularLabels = { outer: ["job", ["api", "db"]], inner: ["instance", ["1", "2", "3"]] };

/** Small series with everything that makes windows differ. */
export function irregularSeries(random: Random, startMs: number, { outer, inner }: IrregularLabels = usualLabels): BodySeries[] {
  const result: BodySeries[] = [];
  const add = (record: Record<string, string>, shape: Irregular, first: number, next: Next): void => {
    result.push({ labels: toLabels(record), ...irregularColumn(random, startMs, shape, first, next) });
  };
  for (const job of outer[1]) {
    for (const instance of inner[1]) {
      const place = { [outer[0]]: job, [inner[0]]: instance };
      const steps = { intervalMs: 15_000, jitterMs: 1000 };
      add({ __name__: "requests_total", ...place }, steps, random.int(1000), (v) => (random.int(25) === 0 ? random.int(9) : random.int(25) === 0 ? Math.round(v * 0.95) : v + random.int(50)));
      add({ __name__: "gauge", ...place }, steps, 0, () => (random.int(3) === 0 ? random.int(4) : (random.int(20_001) - 10_000) / 1000));
      // No two values are equal, so that ranks are clear.
      add({ __name__: "load", ...place }, steps, 0, () => random.int(1_000_000_000) / 1000);
      add({ __name__: "slow", ...place }, { intervalMs: 60_000 }, 5, (v) => v + random.int(7) - 3);
      add({ __name__: "info", ...place, version: "v1" }, { intervalMs: 15_000, to: 0.4 }, 1, constant);
      add({ __name__: "info", ...place, version: "v2" }, { intervalMs: 15_000, from: instance === inner[1][2] ? 0.38 : 0.45 }, 1, constant);
      for (const [i, le] of ["0.1", "0.5", "1", "+Inf"].entries()) add({ __name__: "seconds_bucket", ...place, le }, { intervalMs: 30_000 }, i, (v) => v + random.int(3) + i * 3);
      for (const vmrange of ["1.000e-01...1.136e-01", "4.642e-01...5.275e-01", "1.000e+00...1.136e+00"]) add({ __name__: "latency_bucket", ...place, vmrange }, { intervalMs: 30_000 }, 0, (v) => v + random.int(4));
    }
    add({ __name__: "fast", [outer[0]]: job }, { intervalMs: 1000, from: 0.3, to: 0.5 }, 100, (v) => Math.round(v * 10 + random.int(201) - 100) / 10);
    add({ __name__: "sparse", [outer[0]]: job }, { intervalMs: 420_000, jitterMs: 100_000 }, 3, () => random.int(10));
  }
  return result;
}

function irregularColumn(random: Random, startMs: number, shape: Irregular, first: number, next: Next): { timestampsMs: number[]; values: Float64Array } {
  const { intervalMs, jitterMs = 0, from = 0, to = 1 } = shape;
  const timestampsMs: number[] = [];
  const values: number[] = [];
  const stale: number[] = [];
  const phaseMs = random.int(intervalMs);
  let value = first;
  let skipped = 0;
  for (let atMs = from * irregularMs + phaseMs; atMs < to * irregularMs; atMs += intervalMs) {
    if (skipped > 0) skipped--;
    else if (random.int(40) === 0) skipped = random.int(3) === 0 ? 30 : random.int(5);
    if (skipped > 0) continue;
    value = next(value, first);
    if (random.int(45) === 0) stale.push(values.length);
    timestampsMs.push(startMs + Math.round(atMs) + (jitterMs === 0 ? 0 : random.int(jitterMs)));
    values.push(value);
  }
  const column = Float64Array.from(values);
  for (const index of stale) writeStaleMarker(column, index);
  return { timestampsMs, values: column };
}
