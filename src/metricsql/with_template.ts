/**
 * Turns the tree as written into the tree to evaluate: expands WITH templates, folds constants and looks up functions.
 * expansion_budget.ts bounds the result.
 */
import type { AggregateExpr, BinaryExpr, DurationExpr, Expr, LabelFilter, RollupExpr, SelectorExpr, StringExpr } from "./ast.ts";
import { foldBinary } from "./constant_folding.ts";
import { printDuration } from "./duration.ts";
import { ExpansionBudget } from "./expansion_budget.ts";
import { commonMetricName, isMetricName, normalizeGroups } from "./filter_group.ts";
import { functions, nearestFunction } from "./functions.ts";
import { unescapeIdentifier } from "./identifier.ts";
import { parseError } from "./parse_error.ts";
import { printExpr, printSyntax } from "./printer.ts";
import { regexpProblem } from "./regexp_filter.ts";
import { parseTemplates } from "./syntax_parser.ts";
import type {
  AggregateSyntax, BinarySyntax, DurationSyntax, FilterSyntax, FilterTemplate, FunctionSyntax, RollupSyntax, SelectorSyntax,
  StringSyntax, Syntax,
} from "./syntax.ts";
import { Scope } from "./template_scope.ts";
import type { Binding, ValueBinding } from "./template_scope.ts";

const builtIn = Scope.empty.withTemplates(parseTemplates(`
  ru(freev, maxv) = clamp_min(maxv - clamp_min(freev, 0), 0) / clamp_min(maxv, 0) * 100,
  ttf(freev) = smooth_exponential(
    clamp_max(clamp_max(-freev, 0) / clamp_max(deriv_fast(freev), 0), 365*24*3600),
    clamp_max(step()/300, 1)
  ),
  range_median(q) = range_quantile(0.5, q),
  alias(q, name) = label_set(q, "__name__", name),
`));

/** Expands `syntax`, the tree of the whole `text`. */
export function expandTemplates(syntax: Syntax, text: string): Expr {
  return new Expansion(text).expand(syntax, Scope.empty);
}

class Expansion {
  readonly #text: string;
  readonly #budget: ExpansionBudget;
  /** In a built-in template nodes have the position of the call. */
  #callPosition: number | undefined;

  constructor(text: string) {
    this.#text = text;
    this.#budget = new ExpansionBudget(text);
  }

  expand(syntax: Syntax, scope: Scope): Expr {
    const node = this.#callPosition === undefined ? syntax : { ...syntax, position: this.#callPosition };
    this.#budget.enter(node.position);
    const expr = this.#expandNode(node, scope);
    this.#budget.leave();
    return expr;
  }

  #expandNode(syntax: Syntax, scope: Scope): Expr {
    switch (syntax.kind) {
      case "string_parts":
        return this.#expandString(syntax, scope);
      case "selector":
        return this.#expandSelector(syntax, scope);
      case "rollup":
        return this.#expandRollup(syntax, scope);
      case "function":
        return this.#expandFunction(syntax, scope);
      case "aggregate":
        return this.#expandAggregate(syntax, scope);
      case "binary":
        return this.#expandBinary(syntax, scope);
      case "unary":
        return { ...syntax, operand: this.expand(syntax.operand, scope) };
      case "list":
        return { ...syntax, items: this.#expandAll(syntax.items, scope) };
      case "with":
        return this.expand(syntax.body, scope.withTemplates(syntax.templates));
      default:
        return syntax;
    }
  }

  #expandAll(list: readonly Syntax[], scope: Scope): Expr[] {
    return list.map((syntax) => this.expand(syntax, scope));
  }

  #error(problem: string, position: number): Error {
    return parseError(this.#text, this.#callPosition ?? position, problem);
  }

  // Templates

  /** The expression a name stands for; `args` are those of a call, undefined if the name is used without parentheses. */
  #resolve(name: string, binding: Binding, args: readonly ValueBinding[] | undefined, position: number): Expr {
    const parameters = binding.kind === "value" ? [] : binding.template.parameters;
    if (args === undefined && parameters.length > 0) return metricSelector(name, position);
    const count = args?.length ?? 0;
    if (count !== parameters.length) {
      throw this.#error(`invalid number of args for "${name}": expected ${parameters.length}, found ${count}`, position);
    }
    if (binding.kind === "value") {
      this.#budget.chargeAgain(binding.cost, position);
      return binding.expr;
    }
    const values = new Map((args ?? []).map((arg, i) => [parameters[i], arg]));
    this.#budget.enterTemplate();
    const expr = this.expand(binding.template.body, binding.scope.withValues(values));
    this.#budget.leaveTemplate();
    return expr;
  }

  #expandArgument(syntax: Syntax, scope: Scope): ValueBinding {
    const { result, cost } = this.#budget.measure(() => this.expand(syntax, scope));
    return { kind: "value", expr: result, cost };
  }

  // Calls

  #expandFunction(call: FunctionSyntax, scope: Scope): Expr {
    const values = call.args.map((arg) => this.#expandArgument(arg, scope));
    const binding = scope.find(call.writtenName ?? call.name);
    if (binding !== undefined) return this.#resolve(call.name, binding, values, call.position);
    const builtInBinding = builtIn.find(call.name);
    if (builtInBinding !== undefined) return this.#expandBuiltIn(call, builtInBinding, values);
    const facts = functions.get(call.name);
    if (facts === undefined || facts.family === "aggregate") throw this.#unknownFunction(call);
    return { ...call, args: values.map((value) => value.expr) };
  }

  #expandBuiltIn(call: FunctionSyntax, binding: Binding, values: readonly ValueBinding[]): Expr {
    const outerPosition = this.#callPosition;
    this.#callPosition ??= call.position;
    const expr = this.#resolve(call.name, binding, values, call.position);
    this.#callPosition = outerPosition;
    return expr;
  }

  #unknownFunction(call: FunctionSyntax): Error {
    const name = call.writtenName ?? call.name;
    const nearest = nearestFunction(name);
    const hint = nearest === undefined ? "" : `; did you mean "${nearest}"?`;
    return this.#error(`unsupported function "${name}"${hint}`, call.position);
  }

  #expandAggregate(call: AggregateSyntax, scope: Scope): Expr {
    const { writtenName, ...aggregate } = call;
    const values = call.args.map((arg) => this.#expandArgument(arg, scope));
    const binding = scope.find(writtenName ?? call.name);
    if (binding !== undefined) return this.#resolve(call.name, binding, values, call.position);
    const { grouping } = call;
    const expanded: AggregateExpr = {
      ...aggregate,
      args: values.map((value) => value.expr),
      grouping: grouping === undefined ? undefined : { ...grouping, labels: this.#expandLabels(grouping.labels, scope, call.position) },
    };
    return expanded;
  }

  #expandBinary(binary: BinarySyntax, scope: Scope): Expr {
    const left = this.expand(binary.left, scope);
    const right = this.expand(binary.right, scope);
    const { matching, join, position } = binary;
    const expanded: BinaryExpr = {
      ...binary,
      left,
      right,
      matching: matching === undefined ? undefined : { ...matching, labels: this.#expandLabels(matching.labels, scope, position) },
      join: join === undefined ? undefined : {
        ...join,
        labels: this.#expandLabels(join.labels, scope, position),
        prefix: this.#stringValue(join.prefix, scope),
      },
    };
    const folded = foldBinary(expanded);
    if (folded.kind === "string") this.#budget.charge(folded.value.length >> 4, position);
    return folded;
  }

  /** Names in `by (...)` and the like: a template there stands for a metric name or a list of them. */
  #expandLabels(labels: readonly string[], scope: Scope, position: number): string[] {
    const expanded = labels.flatMap((label) => {
      const binding = label === "*" ? undefined : scope.find(label);
      if (binding === undefined || (binding.kind === "template" && binding.template.parameters.length > 0)) return [label];
      const expr = this.#resolve(label, binding, undefined, position);
      const names = (expr.kind === "list" ? expr.items : [expr]).map(onlyMetricName);
      this.#budget.charge(names.length, position);
      if (names.includes("")) throw this.#error(`cannot use "${printExpr(expr)}" instead of "${label}" in a list of labels`, position);
      return names;
    });
    return [...new Set(expanded)];
  }

  // Strings and durations

  #stringValue(value: string | StringSyntax, scope: Scope): string {
    return typeof value === "string" ? value : this.#expandString(value, scope).value;
  }

  #expandString(syntax: StringSyntax, scope: Scope): StringExpr {
    const values = syntax.parts.map((part) => part.value ?? this.#templateString(unescapeIdentifier(part.text), scope, part.position));
    const value = values.join("");
    this.#budget.charge(value.length >> 4, syntax.position);
    return { kind: "string", value, position: syntax.position };
  }

  #templateString(name: string, scope: Scope, position: number): string {
    const binding = scope.find(name);
    if (binding === undefined) throw this.#error(`cannot find WITH template for "${name}" inside a string expression`, position);
    const expr = this.#resolve(name, binding, undefined, position);
    if (expr.kind !== "string") throw this.#error(`"${name}" must be string expression; got "${printExpr(expr)}"`, position);
    return expr.value;
  }

  #expandDuration(duration: DurationSyntax | undefined, scope: Scope): DurationExpr | undefined {
    if (duration === undefined || duration.kind === "duration") return duration;
    const { name, isNegative, position } = duration;
    const binding = scope.find(name);
    if (binding === undefined) throw this.#error(`cannot find WITH template for "${name}"`, position);
    const expr = this.#resolve(name, binding, [], position);
    if (expr.kind === "duration" && !isNegative) return expr;
    const length = durationOf(expr);
    if (length === undefined) throw this.#error(`WITH template "${name}" must be a duration; got "${printExpr(expr)}"`, position);
    const signed = isNegative ? { fixedMs: 0 - length.fixedMs, steps: 0 - length.steps } : length;
    const isPlain = expr.kind === "number" && !isNegative && /^[\d.]+$/.test(expr.text);
    return { kind: "duration", ...signed, text: isPlain ? expr.text : printDuration(signed), position };
  }

  #expandRollup(rollup: RollupSyntax, scope: Scope): Expr {
    const expanded: RollupExpr = {
      ...rollup,
      inner: this.expand(rollup.inner, scope),
      window: this.#expandWindow(rollup.window, scope),
      step: this.#expandWindow(rollup.step, scope),
      offset: this.#expandDuration(rollup.offset, scope),
      at: rollup.at === undefined ? undefined : this.expand(rollup.at, scope),
    };
    return expanded;
  }

  #expandWindow(duration: DurationSyntax | undefined, scope: Scope): DurationExpr | undefined {
    const expanded = this.#expandDuration(duration, scope);
    if (expanded === undefined || expanded.fixedMs > 0 || expanded.steps > 0) return expanded;
    if (expanded.fixedMs === 0 && expanded.steps === 0) return expanded;
    throw this.#error(`the duration ${expanded.text} in square brackets is negative`, duration?.position ?? expanded.position);
  }

  // Selectors

  #expandSelector(selector: SelectorSyntax, scope: Scope): Expr {
    const { position } = selector;
    const groups = this.#normalize(selector.groups.map((group) => group.flatMap((filter) => this.#expandFilter(filter, selector, scope))), position);
    const expanded: SelectorExpr = { kind: "selector", groups, position };
    const name = commonMetricName(groups);
    const binding = name === "" ? undefined : scope.find(name);
    if (binding === undefined) return expanded;
    return this.#merge(name, this.#resolve(name, binding, undefined, position), expanded);
  }

  #normalize(groups: readonly (readonly LabelFilter[])[], position: number): LabelFilter[][] {
    const normalized = normalizeGroups(groups);
    for (const group of normalized) {
      this.#budget.charge(group.length, position);
      const names = group.filter(isMetricName);
      if (names.length > 1) throw this.#error(`the metric name is given twice: ${names[0].value} and ${names[1].value}`, position);
    }
    return normalized;
  }

  #expandFilter(filter: FilterSyntax | FilterTemplate, selector: SelectorSyntax, scope: Scope): readonly LabelFilter[] {
    if ("template" in filter) return this.#expandFilterTemplate(filter, selector, scope);
    const value = this.#stringValue(filter.value, scope);
    const problem = filter.op === "=~" || filter.op === "!~" ? regexpProblem(value) : undefined;
    if (problem !== undefined) {
      throw this.#error(`invalid regular expression in ${filter.name}${filter.op}"${value}": ${problem}`, filter.position ?? selector.position);
    }
    return [{ name: filter.name, op: filter.op, value }];
  }

  #expandFilterTemplate(filter: FilterTemplate, selector: SelectorSyntax, scope: Scope): readonly LabelFilter[] {
    const { template, position } = filter;
    const binding = scope.find(template);
    const place = `inside "${printSyntax(selector, "escaped")}"`;
    if (binding === undefined) throw this.#error(`cannot find WITH template for "${template}" ${place}`, position);
    const expr = this.#resolve(template, binding, [], position);
    if (expr.kind !== "selector" || commonMetricName(expr.groups) !== "") {
      throw this.#error(`WITH template "${template}" ${place} must be {...}; got "${printExpr(expr)}"`, position);
    }
    if (expr.groups.length > 1) {
      throw this.#error(`WITH template "${template}" ${place} must be {...} without "or"; got "${printExpr(expr)}"`, position);
    }
    return expr.groups[0] ?? [];
  }

  /** `name{filters}` where `name` is a template: the filters are added to those of the selector it stands for. */
  #merge(name: string, target: Expr, selector: SelectorExpr): Expr {
    const { position } = selector;
    if (selector.groups.every((group) => group.length === 1)) return target;
    const inner = target.kind === "rollup" ? target.inner : target;
    if (inner.kind !== "selector") {
      throw this.#error(`cannot expand "${printExpr(selector)}" to non-metric expression "${printExpr(target)}"`, position);
    }
    if (inner.groups.length > 1 && selector.groups.length > 1) {
      throw this.#error(`filters with "or" cannot be added to "${name}", which has "or" as well: ${printExpr(inner)}`, position);
    }
    const size = inner.groups.reduce((sum, group) => sum + group.length, 0) * selector.groups.length
      + selector.groups.reduce((sum, group) => sum + group.length, 0) * inner.groups.length;
    this.#budget.chargeAgain({ size, depth: 0 }, position);
    const groups = inner.groups.flatMap((base) => selector.groups.map((added) => [...base, ...added.slice(1)]));
    const merged: SelectorExpr = { ...inner, groups: this.#normalize(groups, position) };
    return target.kind === "rollup" ? { ...target, inner: merged } : merged;
  }
}

function metricSelector(name: string, position: number): SelectorExpr {
  return { kind: "selector", groups: [[{ name: "__name__", op: "=", value: name }]], position };
}

/** The name if `expr` is a metric name and nothing else; else "". */
function onlyMetricName(expr: Expr): string {
  return expr.kind === "selector" && expr.groups.every((group) => group.length === 1) ? commonMetricName(expr.groups) : "";
}

function durationOf(expr: Expr): { fixedMs: number; steps: number } | undefined {
  if (expr.kind === "duration") return expr;
  if (expr.kind !== "number" || !Number.isFinite(expr.value)) return undefined;
  return { fixedMs: Math.trunc(expr.value * 1000), steps: 0 };
}
