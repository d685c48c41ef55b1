/** Errors of the query language: every one is an InputError "parse_error" that says where and what was expected. */
import { InputError } from "../base/errors.ts";

const contextSize = 40;
const maxProblemSize = 400;

/** Makes the error for `offset` in `text`; `problem` is a sentence part such as `expected ")", found "}"`. */
export function parseError(text: string, offset: number, problem: string): InputError {
  const clipped = problem.length > maxProblemSize ? problem.slice(0, maxProblemSize) + "..." : problem;
  return new InputError("parse_error", clipped + " " + describePosition(text, offset), { offset });
}

function describePosition(text: string, offset: number): string {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  const line = before.split("\n").length;
  const position = `at line ${line}, column ${offset - lineStart + 1}`;
  const context = before.slice(-contextSize).trim();
  if (context === "") return position;
  return `${position}, after ${context.length < before.trim().length ? "..." : ""}${context}`;
}
