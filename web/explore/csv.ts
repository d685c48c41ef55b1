/** Rows of values as CSV (RFC 4180): a column per label, then time and value. */
import { printExact } from "../number_text.ts";
import type { Labels } from "../series_name.ts";
import { printTime } from "../time_text.ts";

/** One value of one series. */
export interface CsvRow {
  readonly labels: Labels;
  readonly timeMs: number;
  readonly value: number;
}

/** See the top of the file. */
export function printCsv(rows: readonly CsvRow[]): string {
  const names = [...new Set(rows.flatMap(({ labels }) => Object.keys(labels)))].sort();
  const lines = rows.map(({ labels, timeMs, value }) => [...names.map((name) => labels[name] ?? ""), `${printTime(timeMs, "utc").replace(" ", "T")}Z`, printExact(value)]);
  return [[...names, "time", "value"], ...lines].map((line) => `${line.map(printField).join(",")}\r\n`).join("");
}

function printField(field: string): string {
  // A leading sign would be run as a formula by spreadsheets, unless it begins a number.
  const isFormula = /^[=+\-@\t]/.test(field) && !/^[+-]?(\d|\.\d|Inf$)/.test(field);
  const safe = isFormula ? `'${field}` : field;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
