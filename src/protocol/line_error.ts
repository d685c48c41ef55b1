/** What can be wrong with a line of a text body. The numbers are those of the parsers in wasm/. */
import { InputError } from "../base/errors.ts";
import type { ParseArea } from "../kernel/label_run.ts";

const lineErrors: Readonly<Record<number, string>> = {
  1: "the metric name is missing",
  2: "there are two metric names",
  3: "the label name is missing",
  4: "'=' is missing behind the label name",
  5: "the label value does not begin with a double quote",
  6: "the closing quote is missing",
  7: "',' or '}' is missing behind the label",
  8: "the value is missing",
  9: "the value is not a number",
  10: "the timestamp is not a number",
  11: "there is text behind the timestamp",
  12: "the closing brace is missing",
  13: "the metric name holds a quote or a brace",
  20: "the line is not a JSON object",
  21: "the JSON is broken",
  22: "\"metric\" is missing, empty or not an object",
  23: "a label value is not a string",
  24: "\"values\" is missing, empty or not an array",
  25: "\"timestamps\" is missing, empty or not an array",
  26: "\"values\" and \"timestamps\" differ in length",
  27: "an element of \"values\" is not a number",
  28: "an element of \"timestamps\" is not a number",
  29: "there is text behind the JSON object",
};

/** An error that names line and column, both counted from 1, columns in bytes. */
export function lineError(line: number, column: number, message: string, offset: number): InputError {
  return new InputError("bad_line", `line ${line}, column ${column}: ${message}`, { offset });
}

/** The first bad line of the body that the area has met, if any. */
export function firstLineError(area: ParseArea): InputError | undefined {
  if (area.skippedLines === 0) return undefined;
  return lineError(area.errorLine, area.errorColumn, lineErrors[area.errorReason] ?? "the line cannot be read", area.errorOffset);
}
