/**
 * What is asked of a server that was just started, before anybody asks something (warm_up.ts): queries of the kinds that dashboards and rules are made of,
 * over series that are there, and questions about their labels. Whole requests of HTTP/1.1.
 */
import type { Dialect } from "../metricsql/parser.ts";
import { type Labels, labelValue, metricNameLabel } from "../model/labels.ts";

export interface WarmUpSubject {
  readonly series: readonly Labels[];
  /** Samples are expected up to here. */
  readonly endMs: number;
  readonly dialect: Dialect;
}

/** What the queries of one series are made of. */
interface Words {
  readonly name: string;
  /** All labels but the name, as filters. */
  readonly filters: string;
  /** One of them: its name, and a regexp that a few series have values for. */
  readonly label: string;
  readonly values: string;
  /** A regexp for a few metrics. */
  readonly names: string;
}

interface Template {
  readonly kind: "instant" | "range";
  readonly dialect?: Dialect;
  /** Of a range. */
  readonly points?: number;
  readonly stepMs?: number;
  text(words: Words): string;
}

const hourMs = 3_600_000;

const templates: readonly Template[] = [
  { kind: "range", text: ({ name, filters }) => `max(max_over_time(${name}{${filters}}[1m])) by (__name__)` },
  { kind: "range", text: ({ names, filters, label }) => `max(max_over_time({__name__=~${names},${filters}}[1m])) by (__name__, ${label})` },
  { kind: "range", text: ({ name, filters, label }) => `sum by (${label}) (rate(${name}{${filters}}[5m]))` },
  { kind: "range", points: 240, stepMs: 15_000, text: ({ name, filters }) => `${name}{${filters}}` },
  { kind: "instant", text: ({ name, filters }) => `100 * (1 - avg(${name}{${filters}})) > ${name}{${filters}} offset 5m` },
  { kind: "range", points: 8, stepMs: hourMs, text: ({ names, label, values }) => `max(max_over_time({__name__=~${names},${label}=~${values}}[1h])) by (__name__)` },
  { kind: "range", text: ({ name, filters, label }) => `topk(3, sum by (${label}) (rate(${name}{${filters}}[5m])))` },
  { kind: "instant", text: ({ name, filters }) => `${name}{${filters}}` },
  { kind: "range", text: ({ name, label, values }) => `max(max_over_time(${name}{${label}=~${values}}[1m])) by (__name__)` },
  { kind: "range", text: ({ name, filters, label }) => `histogram_quantile(0.99, sum by (le, ${label}) (rate(${name}{${filters}}[5m])))` },
  { kind: "range", points: 12, stepMs: hourMs, text: ({ name, filters, label }) => `max(max_over_time(${name}{${filters}}[1h])) by (${label}) > 90` },
  { kind: "range", text: ({ name, filters, label }) => `${name}{${filters}} * on (${label}) group_left () ${name}{${filters}}` },
  { kind: "range", points: 720, text: ({ name, filters }) => `max(max_over_time(${name}{${filters}}[1m])) by (__name__)` },
  { kind: "range", text: ({ name, filters, label }) => `sum without (${label}) (increase(${name}{${filters}}[5m])) / count(${name}{${filters}})` },
  { kind: "instant", text: ({ name, filters, label }) => `max_over_time(sum by (${label}) (rate(${name}{${filters}}[5m]))[20m:1m])` },
  { kind: "range", text: ({ name, filters, label }) => `label_replace(irate(${name}{${filters}}[5m]) * 8, "to", "$1", ${JSON.stringify(label)}, "(.*)")` },
  { kind: "range", text: ({ name, filters }) => `quantile_over_time(0.95, ${name}{${filters}}[10m])` },
  { kind: "range", text: ({ name, filters }) => `${name}{${filters}} - ${name}{${filters}} or avg_over_time(${name}{${filters}}[5m])` },
  { kind: "range", dialect: "metricsql", text: ({ name, filters }) => `range_median(sum(rollup_rate(${name}{${filters}}[5m])))` },
];

const pointCount = 40;
const defaultStepMs = 60_000;
const wordsMax = 6;
/** One in so many queries is sent as a form. */
const formEvery = 7;

/** The requests, in an order in which kinds alternate; none without series that can be written as plain selectors. */
export function warmUpRequests({ series, endMs, dialect }: WarmUpSubject): string[] {
  const requests: string[] = [];
  const kept: string[] = [];
  const own = templates.filter((template) => (template.dialect ?? dialect) === dialect);
  const plain = series.filter((labels) => labels.length > 1 && labels.every(({ name }) => isPlain(name)) && isPlain(labelValue(labels, metricNameLabel)));
  for (let i = 0; i < plain.length; i++) {
    const words = wordsOf(plain, i);
    own.forEach((template, k) => {
      const query = targetOf(template, words, endMs);
      requests.push(k % formEvery === formEvery - 1 ? post(query) : get(`${query}&nocache=1`, k % 3 === 0));
      // The same few again and again, so that kept answers are given.
      if (kept.length < own.length) kept.push(get(query, kept.length % 3 === 0));
      requests.push(kept[requests.length % kept.length]);
    });
    const range = `start=${(endMs - hourMs) / 1000}&end=${endMs / 1000}&match[]=${encodeURIComponent(`${words.name}{${words.filters}}`)}`;
    requests.push(get(`/api/v1/labels?${range}`, false), get(`/api/v1/label/${words.label}/values?${range}`, false), get(`/api/v1/series?${range}`, false));
  }
  return requests;
}

function isPlain(text: string): boolean {
  return /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(text);
}

/** Words of a series, with names and values of those after it. */
function wordsOf(series: readonly Labels[], index: number): Words {
  const labels = series[index];
  const others = labels.filter((label) => label.name !== metricNameLabel);
  const label = others[index % others.length].name;
  const near = Array.from({ length: Math.min(wordsMax, series.length) }, (_, i) => series[(index + i) % series.length]);
  const values = near.map((one) => labelValue(one, label)).filter((value) => /^[\w-]+$/.test(value));
  return {
    name: labelValue(labels, metricNameLabel),
    filters: others.map(({ name, value }) => `${name}=${JSON.stringify(value)}`).join(","),
    label,
    values: JSON.stringify(values.length > 0 ? values.join("|") : "none"),
    names: JSON.stringify(near.map((one) => labelValue(one, metricNameLabel)).join("|")),
  };
}

function targetOf({ kind, points = pointCount, stepMs = defaultStepMs, text }: Template, words: Words, endMs: number): string {
  const query = encodeURIComponent(text(words));
  if (kind === "instant") return `/api/v1/query?query=${query}&time=${endMs / 1000}`;
  return `/api/v1/query_range?query=${query}&start=${(endMs - (points - 1) * stepMs) / 1000}&end=${endMs / 1000}&step=${stepMs / 1000}`;
}

function get(target: string, takesGzip: boolean): string {
  return `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: warm-up\r\n${takesGzip ? "Accept-Encoding: gzip\r\n" : ""}\r\n`;
}

function post(target: string): string {
  const [path, form] = target.split("?");
  return `POST ${path}?nocache=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: warm-up\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${form.length}\r\n\r\n${form}`;
}
