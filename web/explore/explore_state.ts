/**
 * What the Explore page shows, and its place in the URL:
 *
 *   explore?g0.expr=up&g1.expr=...&g0.range_input=1h&g0.end_input=2026-11-21T10:00:00Z&g0.step_input=15s&g0.tab=table&refresh=15s
 *
 * These are the names that Prometheus and vmui use, so that their links open here: both forms of tabs and steps are read, and the part
 * behind `#/?` of vmui too. Without end_input, or with a relative_time of vmui, the range ends now. Only the range of g0 counts.
 */
import { parseDuration, printDuration } from "../duration.ts";
import { absoluteRange } from "../time_range.ts";
import type { TimeRange } from "../time_range.ts";
import { parseTime, printTime } from "../time_text.ts";

/** The ways to look at an answer. */
export type Tab = "graph" | "table" | "json";

/** All that makes the page what it is; equal states ask the same. */
export interface ExploreState {
  /** At least one; an empty expression is not asked. */
  readonly expressions: readonly string[];
  readonly range: TimeRange;
  /** Undefined: chosen by the width of the graph. */
  readonly stepMs: number | undefined;
  readonly tab: Tab;
  /** 0 is off. */
  readonly refreshMs: number;
}

/** A page without any parameters. */
export const initialState: ExploreState = {
  expressions: [""],
  range: { kind: "relative", durationMs: 3_600_000 },
  stepMs: undefined,
  tab: "graph",
  refreshMs: 0,
};

/** Refresh intervals that are offered, and the only ones accepted from a link. */
export const refreshIntervalsMs: readonly number[] = [0, 5000, 15_000, 60_000];

const maxExpressions = 20;
const tabNumbers = { vmui: ["graph", "json", "table"], prometheus: ["graph", "table"] } as const;

/** Reads `search` ("?g0.expr=...") or else the state that vmui keeps in the `hash`. Whatever makes no sense is left out. */
export function parseExploreUrl(search: string, hash: string, nowMs: number): ExploreState {
  const inHash = hash.startsWith("#/") && hash.includes("?");
  const parameters = new URLSearchParams(inHash ? hash.slice(hash.indexOf("?")) : search);
  const relativeTime = parameters.get("g0.relative_time");
  const isVmui = inHash || relativeTime !== null;
  const refreshMs = parseDuration(parameters.get("refresh") ?? "") ?? 0;
  return {
    expressions: parseExpressions(parameters),
    range: parseRange(parameters, relativeTime !== null && relativeTime !== "none", nowMs),
    stepMs: parseStep(parameters),
    tab: parseTab(parameters.get("g0.tab") ?? "", isVmui),
    refreshMs: refreshIntervalsMs.includes(refreshMs) ? refreshMs : 0,
  };
}

function parseExpressions(parameters: URLSearchParams): string[] {
  const expressions: string[] = [];
  for (let i = 0; i < maxExpressions; i++) {
    const expression = parameters.get(`g${i}.expr`);
    if (expression !== null) expressions.push(expression);
  }
  return expressions.length === 0 ? [""] : expressions;
}

function parseRange(parameters: URLSearchParams, isRelative: boolean, nowMs: number): TimeRange {
  const durationMs = parseDuration(parameters.get("g0.range_input") ?? "") ?? 3_600_000;
  const toMs = isRelative ? undefined : parseTime(parameters.get("g0.end_input") ?? "", "utc", nowMs);
  return toMs === undefined ? { kind: "relative", durationMs } : absoluteRange(toMs - durationMs, toMs);
}

function parseStep(parameters: URLSearchParams): number | undefined {
  const fixed = parameters.get("g0.res_type") === "fixed" ? parameters.get("g0.res_step") : null;
  return parseDuration(parameters.get("g0.step_input") ?? fixed ?? "");
}

function parseTab(value: string, isVmui: boolean): Tab {
  if (value === "graph" || value === "table" || value === "json") return value;
  return tabNumbers[isVmui ? "vmui" : "prometheus"][Number(value || 0)] ?? "graph";
}

/** The query part of the URL of a state. What is as in `initialState` is left out, but for the tab, which older links need. */
export function printExploreUrl(state: ExploreState): string {
  const parts = state.expressions.map((expression, i) => `g${i}.expr=${encodeURIComponent(expression)}`);
  const { range } = state;
  const durationMs = range.kind === "relative" ? range.durationMs : range.toMs - range.fromMs;
  parts.push(`g0.range_input=${printDuration(durationMs)}`);
  if (range.kind === "absolute") parts.push(`g0.end_input=${printTime(range.toMs, "utc").replace(" ", "T")}Z`);
  if (state.stepMs !== undefined) parts.push(`g0.step_input=${printDuration(state.stepMs)}`);
  parts.push(`g0.tab=${state.tab === "graph" ? "0" : state.tab}`);
  if (state.refreshMs !== 0) parts.push(`refresh=${printDuration(state.refreshMs)}`);
  return `?${parts.join("&")}`;
}
