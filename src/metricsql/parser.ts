/**
 * MetricsQL and PromQL: text to tree. The stages are lexer.ts, syntax_parser.ts (the tree as written) and with_template.ts (templates
 * expanded, constants folded, functions looked up). Every error is an InputError "parse_error" with the offset in the text.
 *
 * PromQL has stages of its own (promql_lexer.ts, promql_parser.ts) behind the same function, and the same tree; nothing outside
 * knows the stages.
 */
import type { Expr, SelectorExpr } from "./ast.ts";
import { replaceInSelector } from "./graphite_filter.ts";
import { parseError } from "./parse_error.ts";
import { parsePromql } from "./promql_parser.ts";
import { parseSyntax } from "./syntax_parser.ts";
import { expandTemplates } from "./with_template.ts";

/** The languages that a query may be in. */
export type Dialect = "metricsql" | "promql";

/**
 * Parses a query. A result of MetricsQL (the default) has no templates, and no operation whose operands are both numbers or
 * both strings. One of PromQL is a tree as written; whoever evaluates it calls checkPromql first, which checks the types.
 */
export function parseExpr(text: string, { dialect = "metricsql" }: { readonly dialect?: Dialect } = {}): Expr {
  return dialect === "promql" ? parsePromql(text) : expandTemplates(parseSyntax(text), text);
}

/** Parses what `match[]` and its kin take: a selector of MetricsQL and nothing else. Graphite filters are replaced in it. */
export function parseSelector(text: string): SelectorExpr {
  const expr = parseExpr(text);
  if (expr.kind === "selector") return replaceInSelector(expr);
  throw parseError(text, expr.position, `expected a selector such as up{job="node"}, found an expression of another kind`);
}
