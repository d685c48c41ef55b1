/**
 * Graphite filters of MetricsQL: `{__graphite__="a.*.{b,c}.d[0-9]"}` matches the metric name as Graphite does. `*` is
 * anything without a dot, `{b,c}` one of these, `[0-9]` one of these characters. In `=~` also `(b|c)` stands for `{b,c}` and
 * `(.*)` for `*`, since that is how dashboards write variables. For reading, such a filter is a regular expression on the name.
 */
import { InputError } from "../base/errors.ts";
import type { Expr, LabelFilter, SelectorExpr } from "./ast.ts";
import { normalizeGroup } from "./filter_group.ts";
import { regexpProblem } from "./regexp_filter.ts";
import { mapExpr, someExpr } from "./visit.ts";

const graphiteLabel = "__graphite__";

/** `expr` with its Graphite filters as filters on the metric name. */
export function replaceGraphiteFilters(expr: Expr): Expr {
  const isGraphite = (node: Expr): boolean => node.kind === "selector" && node.groups.some((group) => group.some((filter) => filter.name === graphiteLabel));
  if (!someExpr(expr, isGraphite)) return expr;
  return mapExpr(expr, (node) => (node.kind === "selector" ? replaceInSelector(node) : node));
}

/** A selector with its Graphite filters as filters on the metric name. */
export function replaceInSelector(selector: SelectorExpr): SelectorExpr {
  const replace = (filter: LabelFilter): LabelFilter => (filter.name === graphiteLabel ? nameFilter(filter, selector.position) : filter);
  return { ...selector, groups: selector.groups.map((group) => normalizeGroup(group.map(replace))) };
}

function nameFilter({ op, value }: LabelFilter, position: number): LabelFilter {
  const isNegative = op === "!=" || op === "!~";
  const pattern = op === "=~" || op === "!~" ? bracesOfAlternatives(value) : value;
  if (!/[*{[]/.test(pattern)) return { name: "__name__", op: isNegative ? "!=" : "=", value: pattern };
  const regexp = graphiteRegexp(pattern);
  const problem = regexpProblem(regexp);
  if (problem !== undefined) throw new InputError("parse_error", `invalid Graphite filter "${value}": ${problem}`, { offset: position });
  return { name: "__name__", op: isNegative ? "!~" : "=~", value: regexp };
}

/** `a.(b|c).(.*)` as `a.{b,c}.*`. */
function bracesOfAlternatives(pattern: string): string {
  return pattern.replace(/\(([^()]*)\)/g, (_, inner: string) => (inner === ".*" ? "*" : `{${inner.replaceAll("|", ",")}}`));
}

/** The regular expression for names that a Graphite pattern matches; brackets without a partner stand for themselves. */
export function graphiteRegexp(pattern: string): string {
  const paired = pairedBraces(pattern);
  const lastClassEnd = pattern.lastIndexOf("]");
  let regexp = "";
  let depth = 0;
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i];
    const classEnd = char === "[" && i < lastClassEnd ? pattern.indexOf("]", i) : -1;
    if (char === "*") {
      regexp += "[^.]*";
    } else if (classEnd > 0) {
      regexp += pattern.slice(i, classEnd + 1);
      i = classEnd;
    } else if ((char === "{" || char === "}") && paired.has(i)) {
      depth += char === "{" ? 1 : -1;
      regexp += char === "{" ? "(?:" : ")";
    } else {
      regexp += char === "," && depth > 0 ? "|" : char.replace(/[\\^$.|?+()[\]{}]/, "\\$&");
    }
  }
  return regexp;
}

function pairedBraces(pattern: string): ReadonlySet<number> {
  const open: number[] = [];
  const paired = new Set<number>();
  const lastClassEnd = pattern.lastIndexOf("]");
  for (let i = 0; i < pattern.length; i++) {
    const classEnd = pattern[i] === "[" && i < lastClassEnd ? pattern.indexOf("]", i) : -1;
    if (classEnd > 0) i = classEnd;
    else if (pattern[i] === "{") open.push(i);
    const start = pattern[i] === "}" ? open.pop() : undefined;
    if (start !== undefined) paired.add(start).add(i);
  }
  return paired;
}
