/** Every text that the UI shows, in one catalogue: a translation is another object of the same type. */
import { printCount } from "./number_text.ts";

const plural = (count: number, one: string, many: string): string => `${printCount(count)} ${count === 1 ? one : many}`;

const english = {
  product: "Tidemark",
  skipToContent: "Skip to content",
  mainNavigation: "Main",
  explore: "Explore",
  serverMetrics: "Server metrics",
  close: "Close",
  copy: "Copy",
  copied: "Copied",

  theme: { label: "Theme", light: "Light", dark: "Dark", system: "System" },
  zone: { label: "Clock", local: (zone: string) => (zone === "UTC" ? "Local" : `Local (${zone})`), utc: "UTC" },

  shortcuts: {
    title: "Keyboard shortcuts",
    open: "Keyboard shortcuts",
    groups: [
      {
        title: "Query",
        rows: [
          { keys: ["Enter"], text: "Run" },
          { keys: ["Shift", "Enter"], text: "New line" },
          { keys: ["Ctrl", "Space"], text: "Complete a name" },
          { keys: ["Tab"], text: "Take the completion" },
          { keys: ["Ctrl", "↑ ↓"], text: "Earlier and later queries" },
          { keys: ["/"], text: "Go to the query" },
        ],
      },
      {
        title: "Time",
        rows: [
          { keys: ["t"], text: "Choose a range" },
          { keys: ["[", "]"], text: "Earlier, later" },
          { keys: ["-"], text: "Zoom out" },
          { keys: ["b"], text: "Back to the previous view" },
          { keys: ["r"], text: "Run again" },
        ],
      },
      {
        title: "Graph (when it has the focus)",
        rows: [
          { keys: ["← →"], text: "Move the crosshair" },
          { keys: ["↑ ↓"], text: "Next series" },
          { keys: ["Enter"], text: "Pin the reading" },
          { keys: ["Esc"], text: "Remove pinned readings" },
        ],
      },
      {
        title: "View",
        rows: [
          { keys: ["1", "2", "3"], text: "Graph, table, JSON" },
          { keys: ["?"], text: "This list" },
        ],
      },
    ],
  },

  query: {
    region: "Queries",
    label: (letter: string) => `Query ${letter}`,
    placeholder: "Type a query, for example up",
    add: "Add query",
    remove: (letter: string) => `Remove query ${letter}`,
    run: "Run",
    hint: "Enter runs, Shift+Enter starts a line",
    errorAt: (line: number, column: number) => `line ${line}, column ${column}`,
  },

  completion: {
    label: "Completions",
    cut: (count: number) => `First ${count} shown, there are more: type on`,
    found: (count: number) => plural(count, "completion", "completions"),
    kinds: { metric: "metric", function: "function", label: "label", value: "value", keyword: "keyword" },
  },

  time: {
    region: "Time",
    range: "Time range",
    last: (duration: string) => `Last ${duration}`,
    units: { y: ["year", "years"], d: ["day", "days"], h: ["hour", "hours"], m: ["minute", "minutes"], s: ["second", "seconds"] } as Readonly<Record<string, readonly [string, string]>>,
    from: "From",
    to: "To",
    apply: "Apply",
    absolute: "Absolute",
    relative: "Relative",
    timeHint: "2026-11-21 10:00, now-1h, Unix time",
    notATime: "This is no time. Write 2026-11-21 10:00:00, now-1h or Unix time.",
    back: "Back to the previous view",
    earlier: "Earlier",
    later: "Later",
    zoomOut: "Zoom out",
    step: "Step",
    autoStep: (step: string) => `auto (${step})`,
    notAStep: "A step is a duration such as 15s or 5m.",
    refresh: "Refresh",
    refreshOff: "Off",
  },

  result: {
    region: "Result",
    tabs: "Result as",
    graph: "Graph",
    table: "Table",
    json: "JSON",
    loading: "Loading",
    summary: (series: number, samples: number) => `${plural(series, "series", "series")}, ${plural(samples, "sample", "samples")}`,
    partial: "The result is partial",
    partialDetail: "Some storage did not answer, so samples may be missing.",
    tooMany: (drawn: number, all: number) => (drawn === all ? `All ${printCount(all)} series are drawn.` : `${printCount(drawn)} of ${printCount(all)} series are drawn.`),
    drawAll: (all: number) => `Draw all ${printCount(all)}`,
    drawFewer: "Draw fewer",
    retry: "Try again",
    nothingToShow: "There is nothing to show: the reason stands above.",
    failed: "The query failed",
    unreachable: "The server cannot be reached",
  },

  graph: {
    label: (series: number) => `Graph of ${plural(series, "series", "series")}. Arrow keys move the crosshair, Enter pins a reading.`,
    pinned: "Pinned reading",
    unpin: "Remove this reading",
    copySelector: "Copy selector",
    noValue: "no value",
    others: (count: number) => `and ${printCount(count)} more`,
    hint: "Drag to zoom, click to pin",
  },

  legend: {
    label: "Legend",
    series: "Series",
    last: "Last",
    min: "Min",
    max: "Max",
    avg: "Avg",
    filter: "Filter series",
    common: "All have",
    shown: (shown: number, all: number) => (shown === all ? plural(all, "series", "series") : `${printCount(shown)} of ${printCount(all)} series`),
    isolate: "Show only this series; again shows all. With Ctrl, add or remove it.",
    showAll: "Show all",
    noMatch: "No series matches the filter.",
  },

  table: {
    label: "Values",
    query: "Query",
    metric: "Metric",
    value: "Value",
    at: (time: string) => `Values at ${time}`,
    csv: "Download CSV",
    samples: (count: number) => `${printCount(count)} samples, last`,
  },

  json: {
    label: "Answer as JSON",
    cut: (shown: string, all: string) => `The first ${shown} of ${all} are shown.`,
    open: "Open the answer of the server",
  },

  start: {
    title: "Ask for a metric",
    text: "Write MetricsQL or PromQL in the box above, or begin with one of these.",
    examples: [
      { query: "up", text: "Which targets answer their scrapes" },
      { query: "sum by (job) (up)", text: "Targets up, by job" },
      { query: "topk(5, scrape_samples_scraped)", text: "The five largest targets" },
      { query: "scrape_duration_seconds", text: "How long scrapes take" },
      { query: 'sort_desc(count by (__name__) ({__name__!=""}))', text: "Series of each metric" },
    ],
    noData: "Nothing is stored yet",
    noDataText: "The server begins to scrape itself a few seconds after its start; the first line can be drawn within a minute. To send something now:",
  },

  empty: {
    title: "No series",
    text: "The query is fine, but nothing matches it between these times.",
    looking: "Looking for the reason…",
    noSuchMetric: (metric: string) => `There is no metric named ${metric}.`,
    didYouMean: "Did you mean",
    notInRange: (metric: string) => `${metric} has no samples in this range, but it exists at other times.`,
    widen: "Look at the last 30 days",
    filtered: (metric: string) => `${metric} has samples in this range: a label filter, a comparison or a function leaves nothing of them.`,
    tryMetric: (metric: string) => `Show ${metric} without filters`,
    noMetric: "No metric name was found in the query.",
  },
};

/** The catalogue in use. */
export const text: Catalogue = english;

/** What every language must say. */
export type Catalogue = typeof english;
