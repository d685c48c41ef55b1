/** Regular expressions in label filters: RE2 syntax, checked when the query is parsed. */
import { RE2JS } from "re2js";
import type { Expr } from "./ast.ts";
import { mapExpr } from "./visit.ts";

/** Patterns made only of these characters are well-formed whatever their order, which spares compiling most of them. */
const plainPattern = /^[\w\-:/ ,.|"'#@%&=<>~!;]*$/;

/** What is wrong with a pattern; undefined if nothing is. */
export function regexpProblem(pattern: string): string | undefined {
  if (plainPattern.test(pattern)) return undefined;
  try {
    RE2JS.compile(pattern);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Escapes the dots of a pattern that are meant literally: not yet escaped and not repeated (`.*`, `.+`, `.{2}`). */
export function escapeDots(pattern: string): string {
  return pattern.replace(/(?<!\\)\.(?![*+{])/g, "\\.");
}

/** `expr` with escapeDots on the patterns of all its filters. */
export function escapeDotsInRegexpFilters(expr: Expr): Expr {
  return mapExpr(expr, (node) => {
    if (node.kind !== "selector") return node;
    const groups = node.groups.map((group) =>
      group.map((filter) => (filter.op === "=~" || filter.op === "!~" ? { ...filter, value: escapeDots(filter.value) } : filter)),
    );
    return { ...node, groups };
  });
}
