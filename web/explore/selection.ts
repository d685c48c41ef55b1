/** Which series of the graph are shown: those that the filter leaves, and of these the isolated ones if there are any. */
import { printDifference } from "../series_name.ts";
import type { GraphData, GraphSeries } from "./graph_data.ts";

/** How many lines are drawn unless all are asked for. More cannot be told apart anyway. */
export const drawLimit = 200;

/** The series that contain every word of `filter`, in any case; a word with regular expression signs is tried as one. */
export function filterSeries(data: GraphData, filter: string): readonly GraphSeries[] {
  const words = filter.trim().split(/\s+/).filter((word) => word !== "").map(wordTest);
  if (words.length === 0) return data.series;
  return data.series.filter(({ name }) => words.every((test) => test(name)));
}

function wordTest(word: string): (name: string) => boolean {
  const lower = word.toLowerCase();
  const plain = (name: string): boolean => name.toLowerCase().includes(lower);
  if (!/[.*+?|[\]^$]/.test(word)) return plain;
  try {
    const pattern = new RegExp(word, "i");
    return (name) => pattern.test(name) || plain(name);
  } catch {
    return plain; // not finished, or not meant as a pattern
  }
}

/** The series to draw. */
export function isolateSeries(series: readonly GraphSeries[], isolated: ReadonlySet<string>): readonly GraphSeries[] {
  const chosen = series.filter(({ key }) => isolated.has(key));
  return chosen.length === 0 ? series : chosen;
}

/** What a click on a series makes of the isolated ones: only this one, all again, or (with Ctrl) one more or less. */
export function toggleIsolated(isolated: ReadonlySet<string>, key: string, isAdding: boolean): ReadonlySet<string> {
  if (!isAdding) return isolated.size === 1 && isolated.has(key) ? new Set() : new Set([key]);
  const next = new Set(isolated);
  if (!next.delete(key)) next.add(key);
  return next;
}

/** The name in lists: what differs, unless the answer is a single series. */
export function shortName(series: GraphSeries, data: GraphData): string {
  return printDifference(series.labels, data.common);
}
