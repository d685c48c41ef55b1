/**
 * Completions for a place in a query. Names come from the server with the typed prefix, never all of them; the list says when it was cut.
 * Functions and keywords are known here.
 */
import type { Client } from "../../client/index.ts";
import { keywords } from "./query_text.ts";
import type { CompletionContext } from "./query_text.ts";

/** One line of the list; `text` replaces the prefix and leaves the caret `caretBack` characters before its end. */
export interface Completion {
  readonly kind: "metric" | "function" | "label" | "value" | "keyword";
  readonly label: string;
  readonly text: string;
  readonly caretBack: number;
}

/** A list that may have been cut by the server. */
export interface CompletionList {
  readonly items: readonly Completion[];
  readonly isCut: boolean;
}

const limit = 50;

const functions: readonly string[] =
  ("abs absent absent_over_time avg avg_over_time bottomk ceil clamp clamp_max clamp_min count count_over_time count_values day_of_month day_of_week " +
    "day_of_year days_in_month delta deriv exp floor group histogram_quantile hour increase irate label_join label_replace last_over_time ln log10 log2 max " +
    "max_over_time min min_over_time minute month predict_linear quantile quantile_over_time rate round scalar sort sort_desc sqrt stddev stdvar sum " +
    "sum_over_time time timestamp topk vector year").split(" ");

/** Asks for what fits a place in a query. */
export async function findCompletions(client: Client, context: CompletionContext, signal: AbortSignal): Promise<CompletionList> {
  if (context.kind === "metric") return completeMetric(client, context.prefix, signal);
  if (context.kind === "label") return completeLabel(client, context, signal);
  return completeValue(client, context, signal);
}

async function completeMetric(client: Client, prefix: string, signal: AbortSignal): Promise<CompletionList> {
  const names = await client.labelValues("__name__", { match: [`{__name__=~${quoted(`${escapePattern(prefix)}.*`)}}`], limit: limit + 1, signal });
  const metrics = names.slice(0, limit).map((name): Completion => ({ kind: "metric", label: name, text: name, caretBack: 0 }));
  const lower = prefix.toLowerCase();
  const called = functions.filter((name) => lower !== "" && name.startsWith(lower)).map((name): Completion => ({ kind: "function", label: name, text: `${name}()`, caretBack: 1 }));
  const words = keywords.filter((word) => lower !== "" && word.startsWith(lower)).map((word): Completion => ({ kind: "keyword", label: word, text: word, caretBack: 0 }));
  return { items: [...called, ...metrics, ...words], isCut: names.length > limit };
}

async function completeLabel(client: Client, context: CompletionContext & { kind: "label" }, signal: AbortSignal): Promise<CompletionList> {
  const match = context.metric === undefined ? [] : [`{__name__=${quoted(context.metric)}}`];
  const names = await client.labels({ match, signal });
  const fitting = names.filter((name) => name !== "__name__" && name.startsWith(context.prefix));
  return { items: fitting.slice(0, limit).map((name) => ({ kind: "label", label: name, text: name, caretBack: 0 })), isCut: fitting.length > limit };
}

async function completeValue(client: Client, context: CompletionContext & { kind: "value" }, signal: AbortSignal): Promise<CompletionList> {
  const metric = context.metric === undefined ? "" : `__name__=${quoted(context.metric)},`;
  const match = [`{${metric}${context.label}=~${quoted(`${escapePattern(context.prefix)}.+`)}}`];
  const values = await client.labelValues(context.label, { match, limit: limit + 1, signal });
  const items = values.slice(0, limit).map((value): Completion => ({ kind: "value", label: value, text: value.replaceAll("\\", "\\\\").replaceAll(context.quote, `\\${context.quote}`), caretBack: 0 }));
  return { items, isCut: values.length > limit };
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
