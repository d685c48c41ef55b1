/** Walking and rebuilding trees. Trees are at most maxDepth deep, so the helpers recurse. */
import type { Expr } from "./ast.ts";

/** The direct parts of `expr` that are expressions, in the order they are written. */
export function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case "rollup":
      return expr.at === undefined ? [expr.inner] : [expr.inner, expr.at];
    case "function":
    case "aggregate":
      return expr.args;
    case "binary":
      return [expr.left, expr.right];
    case "unary":
      return [expr.operand];
    case "list":
      return expr.items;
    default:
      return [];
  }
}

/** Where the text of `expr` begins, parentheses included (which only PromQL remembers): the place that Prometheus names in its annotations. */
export function startOf(expr: Expr): number {
  let first = expr;
  while (first.start === undefined && (first.kind === "binary" || first.kind === "rollup")) first = first.kind === "binary" ? first.left : first.inner;
  return first.start ?? first.position;
}

/** Calls `visit` for every node, children first. */
export function visitExpr(expr: Expr, visit: (node: Expr) => void): void {
  for (const child of childrenOf(expr)) visitExpr(child, visit);
  visit(expr);
}

/** Whether `test` holds for a node of `expr`. */
export function someExpr(expr: Expr, test: (node: Expr) => boolean): boolean {
  return test(expr) || childrenOf(expr).some((child) => someExpr(child, test));
}

/** Rebuilds a tree from its leaves up: `map` gets each node with children that are mapped already. */
export function mapExpr(expr: Expr, map: (node: Expr) => Expr): Expr {
  return map(mapChildren(expr, (child) => mapExpr(child, map)));
}

/** `expr` with its direct children replaced; the same object if none changed. */
export function mapChildren(expr: Expr, map: (child: Expr) => Expr): Expr {
  switch (expr.kind) {
    case "rollup": {
      const inner = map(expr.inner);
      const at = expr.at === undefined ? undefined : map(expr.at);
      return inner === expr.inner && at === expr.at ? expr : { ...expr, inner, at };
    }
    case "function":
    case "aggregate": {
      const args = mapList(expr.args, map);
      return args === expr.args ? expr : { ...expr, args };
    }
    case "binary": {
      const left = map(expr.left);
      const right = map(expr.right);
      return left === expr.left && right === expr.right ? expr : { ...expr, left, right };
    }
    case "unary": {
      const operand = map(expr.operand);
      return operand === expr.operand ? expr : { ...expr, operand };
    }
    case "list": {
      const items = mapList(expr.items, map);
      return items === expr.items ? expr : { ...expr, items };
    }
    default:
      return expr;
  }
}

function mapList(list: readonly Expr[], map: (child: Expr) => Expr): readonly Expr[] {
  const mapped = list.map(map);
  return mapped.every((item, i) => item === list[i]) ? list : mapped;
}
