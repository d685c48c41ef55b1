/** The cases of conformance/metricsql-parse.json, all of them, and those of metricsql-exec*.json as far as parsing goes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { InputError } from "../base/errors.ts";
import { checkArguments } from "./argument_check.ts";
import type { LabelFilter } from "./ast.ts";
import { durationMs, parseDuration } from "./duration.ts";
import { commonLabelFilters, optimizeExpr, pushDownFilters } from "./filter_pushdown.ts";
import { functions, isSupportedFunction } from "./functions.ts";
import { escapeIdentifier, unescapeIdentifier } from "./identifier.ts";
import { hasImplicitConversion } from "./implicit_conversion.ts";
import { Lexer } from "./lexer.ts";
import { parseNumber } from "./number.ts";
import { parseExpr } from "./parser.ts";
import { prettifyExpr } from "./prettifier.ts";
import { printExpr } from "./printer.ts";
import { escapeDots, escapeDotsInRegexpFilters } from "./regexp_filter.ts";
import { quote } from "./string_literal.ts";

interface Case {
  readonly id: string;
  readonly group: string;
  readonly input: string;
  readonly expected?: unknown;
  readonly expected_ms?: number | string;
  readonly expected_prefix?: string;
  readonly parse_error_contains?: string;
  readonly filters?: string;
  readonly step_ms?: number;
}

interface Query {
  readonly id: string;
  readonly query: string;
}

/** Where we print something else, and why. */
const differences: Readonly<Record<string, string>> = {
  // The expected text a{bar="baz"} selects less than the query, which asks for all of `a`. Ours reads back to the same tree.
  "parse/canonical/129": '{__name__="a",bar="baz" or __name__="a"}',
};

/** Calls that are well-formed but fail when their values are known. */
const failsInEvaluation: ReadonlySet<string> = new Set([
  "exec-error/10650", "exec-error/10653", "exec-error/10654", "exec-error/10655", "exec-error/10656", "exec-error/10658",
  "exec-error/10680", "exec-error/10691", "exec-error/10692", "exec-error/10703", "exec-error/10712", "exec-error/10737",
]);

function load<T>(name: string): readonly T[] {
  return JSON.parse(readFileSync(new URL(`../../conformance/${name}.json`, import.meta.url), "utf8")).cases;
}

function printFilters(filters: readonly LabelFilter[]): string {
  return printExpr({ kind: "selector", groups: [filters], position: 0 });
}

function tokensOf(text: string): string[] {
  const lexer = new Lexer(text);
  const tokens: string[] = [];
  for (let token = lexer.next(); token.kind !== "end"; token = lexer.next()) tokens.push(token.text);
  return tokens;
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new InputError("parse_error", "malformed");
  return value;
}

function lengthMs({ input, step_ms = 0 }: Case): number {
  return durationMs(required(parseDuration(input)), step_ms);
}

function numberOf({ input }: Case): number | string {
  const value = required(parseNumber(input));
  return Number.isNaN(value) ? "NaN" : value;
}

function failure(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  return "no error";
}

const runners: Readonly<Record<string, (row: Case) => unknown>> = {
  canonical: ({ input }) => printExpr(parseExpr(input)),
  invalid: ({ input }) => parseExpr(input),
  prettify: ({ input }) => prettifyExpr(input),
  prettify_invalid: ({ input }) => prettifyExpr(input),
  prettify_literal_error: ({ input }) => failure(() => parseExpr(input)),
  expand_with: ({ input }) => printExpr(parseExpr(input)),
  expand_with_invalid: ({ input }) => parseExpr(input),
  optimize: ({ input }) => printExpr(optimizeExpr(parseExpr(input))),
  pushdown_filters: ({ input, filters = "{}" }) => printExpr(pushDownFilters(parseExpr(input), commonLabelFilters(parseExpr(filters)))),
  common_filters: ({ input }) => printFilters(commonLabelFilters(parseExpr(input))),
  likely_invalid: ({ input }) => hasImplicitConversion(parseExpr(input)),
  likely_invalid_vm: ({ input }) => hasImplicitConversion(parseExpr(input)),
  likely_invalid_vm_true: ({ input }) => hasImplicitConversion(parseExpr(input)),
  number: numberOf,
  number_invalid: numberOf,
  scan_number: ({ input }) => tokensOf(input)[0],
  duration_ms: lengthMs,
  duration_invalid: lengthMs,
  positive_duration_ms: lengthMs,
  positive_duration_invalid: lengthMs,
  tokens: ({ input }) => tokensOf(input),
  tokens_invalid: ({ input }) => tokensOf(input),
  unescape_ident: ({ input }) => unescapeIdentifier(input),
  escape_ident: ({ input }) => escapeIdentifier(input),
  quote_ident: ({ input }) => quote(input),
  escape_dots: ({ input }) => escapeDots(input),
  escape_dots_in_filters: ({ input }) => printExpr(escapeDotsInRegexpFilters(parseExpr(input))),
  supported_function: ({ input }) => isSupportedFunction(input),
};

function checkCase(row: Case): void {
  const runner = required(runners[row.group]);
  const { id, expected, expected_ms: expectedMs, expected_prefix: expectedPrefix, parse_error_contains: errorPart } = row;
  if (row.group.endsWith("invalid") && expected === undefined) {
    assert.throws(() => runner(row), InputError, id);
  } else if (errorPart !== undefined) {
    assert.ok(String(runner(row)).includes(errorPart), id);
  } else {
    const wanted = expectedMs === undefined ? (differences[id] ?? expected ?? expectedPrefix) : Number(expectedMs);
    assert.deepEqual(runner(row), wanted, `${id}: ${row.input}`);
  }
}

const cases = load<Case>("metricsql-parse");
for (const group of new Set(cases.map((row) => row.group))) {
  test(`parse cases: ${group}`, () => cases.filter((row) => row.group === group).forEach(checkCase));
}

test("every query of the evaluation cases parses, prints and reads back", () => {
  for (const { query } of load<Query>("metricsql-exec")) {
    const expr = parseExpr(query);
    checkArguments(expr);
    const text = printExpr(expr);
    assert.equal(printExpr(parseExpr(text)), text);
    assert.equal(printExpr(parseExpr(prettifyExpr(query))), text);
    parseExpr(printExpr(optimizeExpr(expr)));
  }
});

for (const { id, query } of load<Query>("metricsql-exec-errors")) {
  test(`refused before evaluation: ${id}`, () => {
    const check = (): void => checkArguments(parseExpr(query));
    if (failsInEvaluation.has(id)) check();
    else assert.throws(check, InputError, query);
  });
}

test("the table of functions has all of them", () => {
  const counts: Record<string, number> = {};
  for (const { family } of functions.values()) counts[family] = (counts[family] ?? 0) + 1;
  assert.deepEqual(counts, { rollup: 80, transform: 93, label: 22, aggregate: 37 });
});
