/**
 * MetricsQL: text to tree. The stages are lexer.ts, syntax_parser.ts (the tree as written) and with_template.ts (templates
 * expanded, constants folded, functions looked up). Every error is an InputError "parse_error" with the offset in the text.
 *
 * A second dialect is a second set of stages behind the same two functions; nothing outside knows the stages.
 */
import type { Expr, SelectorExpr } from "./ast.ts";
import { parseError } from "./parse_error.ts";
import { parseSyntax } from "./syntax_parser.ts";
import { expandTemplates } from "./with_template.ts";

/** Parses a query. The result has no templates, and no operation whose operands are both numbers or both strings. */
export function parseExpr(text: string): Expr {
  return expandTemplates(parseSyntax(text), text);
}

/** Parses what `match[]` and its kin take: a selector and nothing else. */
export function parseSelector(text: string): SelectorExpr {
  const expr = parseExpr(text);
  if (expr.kind === "selector") return expr;
  throw parseError(text, expr.position, `expected a selector such as up{job="node"}, found an expression of another kind`);
}
