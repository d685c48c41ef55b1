/**
 * Small queries before anybody asks one: a process that was just started interprets its program, and the first few hundred queries take five times as long as
 * the later ones, until V8 has compiled what they run through. So some are evaluated over series that are there, one every few milliseconds, after the
 * start; nobody waits for them, and they end when the server does.
 */
import { type Labels, labelValue, metricNameLabel } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import type { WorkerQuery } from "./query_messages.ts";

/** Evaluations: V8 compiles what was called some hundred times. */
export const warmUpCount = 600;
const pointCount = 20;
const stepMs = 60_000;

const templates: readonly ((selector: string, name: string, label: string) => string)[] = [
  (selector, name, label) => `max(max_over_time({__name__=~${JSON.stringify(`${name}|none`)},${selector}}[1m])) by (__name__, ${label})`,
  (selector, name, label) => `sum by (${label}) (rate(${name}{${selector}}[5m]))`,
  (selector, name) => `${name}{${selector}}`,
  (selector, name) => `100 * (1 - avg(${name}{${selector}})) > ${name}{${selector}} offset 5m`,
];

/** The queries that warm up with some series; none for series that cannot be written as a plain selector. */
export function warmUpQueries(series: readonly Labels[], endMs: number): WorkerQuery[] {
  const queries: WorkerQuery[] = [];
  for (const labels of series) {
    const name = labelValue(labels, metricNameLabel);
    const others = labels.filter((label) => label.name !== metricNameLabel);
    if (![name, ...others.map((label) => label.name)].every((text) => /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(text)) || others.length === 0) continue;
    const selector = others.map((label) => `${label.name}=${JSON.stringify(label.value)}`).join(",");
    templates.forEach((template, i) => queries.push(queryOf(template(selector, name, others[0].name), i === 3 ? "instant" : "range", endMs)));
  }
  return queries;
}

function queryOf(query: string, kind: "instant" | "range", endMs: number): WorkerQuery {
  const startMs = kind === "range" ? endMs - (pointCount - 1) * stepMs : endMs;
  return { kind, tenant: defaultTenant, dialect: "metricsql", query, startMs, endMs, stepMs, lookbackMs: 0, seriesLimit: 0, enforcedFilters: [[]], roundDigits: undefined, isTraced: false, skipsCaches: true };
}
