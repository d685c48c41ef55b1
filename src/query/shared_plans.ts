/**
 * Common sub-expressions: a plan in which equal rollups and aggregates are one object that says how often it is used, so that it is evaluated once.
 */
import type { Expr } from "../metricsql/ast.ts";
import { inputsOf, type Plan } from "./plan.ts";

/** More plans than this are left as they are: nobody writes them. */
const plansMax = 2000;

/** Equal plans. */
interface PlanClass {
  readonly inputs: readonly number[];
  readonly plan: Plan;
  readonly isRandom: boolean;
  uses: number;
}

/** `plan` with equal parts joined; the same object if there are none. */
export function sharePlans(plan: Plan): Plan {
  if (!hasSeveralRollups(plan)) return plan;
  const sharing = new PlanSharing();
  const root = sharing.classOf(plan);
  return sharing.hasEqualParts ? sharing.joined(root) : plan;
}

/** Most queries have one selector, and then no two parts can be equal that would be worth sharing. */
function hasSeveralRollups(plan: Plan): boolean {
  let count = 0;
  const visit = (part: Plan): boolean => (part.kind === "rollup" && ++count > 1) || inputsOf(part).some(visit);
  return visit(plan);
}

class PlanSharing {
  readonly #classes: PlanClass[] = [];
  readonly #ids = new Map<string, number>();
  readonly #joined = new Map<number, Plan>();
  #planCount = 0;
  hasEqualParts = false;

  /** The number of the class of a plan. Classes of its inputs have lower numbers. */
  classOf(plan: Plan): number {
    this.#planCount++;
    const inputs = inputsOf(plan).map((input) => this.classOf(input));
    const key = `${keyOf(plan)} ${inputs.join()}`;
    const known = this.#ids.get(key);
    if (known === undefined) {
      const isRandom = (plan.kind === "transform" && plan.name.startsWith("rand")) || inputs.some((input) => this.#classes[input].isRandom);
      this.#ids.set(key, this.#classes.length);
      return this.#classes.push({ inputs, plan, isRandom, uses: 1 }) - 1;
    }
    const equal = this.#classes[known];
    equal.uses++;
    // What it would take its input from is evaluated once, for the other one.
    for (const input of inputs) this.#classes[input].uses--;
    if (canBeShared(equal.plan) && !equal.isRandom && this.#planCount <= plansMax) this.hasEqualParts = true;
    return known;
  }

  /** The plan of a class, which is one object for all that use it. */
  joined(id: number): Plan {
    const known = this.#joined.get(id);
    if (known !== undefined) return known;
    const { inputs, plan, isRandom, uses } = this.#classes[id];
    const joined = withInputs(plan, inputs.map((input) => this.joined(input)));
    const result = uses > 1 && !isRandom && (joined.kind === "rollup" || joined.kind === "aggregate") ? { ...joined, uses } : joined;
    this.#joined.set(id, result);
    return result;
  }
}

function canBeShared({ kind }: Plan): boolean {
  return kind === "rollup" || kind === "aggregate";
}

/** Everything that a plan says besides its inputs. */
function keyOf(plan: Plan): string {
  switch (plan.kind) {
    case "constant":
      return `constant ${Object.is(plan.value, -0) ? "-0" : plan.value}`;
    case "duration":
      return `duration ${plan.duration.text}`;
    case "string":
      return JSON.stringify(plan.value);
    case "rollup": {
      const { name, outputs, args, source, window, offset, at, keepsMetricName, countLabel, function: row } = plan;
      const from = source.kind === "selector" ? source : { step: source.step?.text };
      const own = outputs.map(({ kernel, label, argument }) => [kernel, label, argument !== undefined]);
      return JSON.stringify(["rollup", name, own, args.length, from, window?.text, offset?.text, at !== undefined, keepsMetricName, countLabel, row]);
    }
    case "transform":
      return JSON.stringify(["transform", plan.name, plan.keepsMetricName, plan.equalLabels]);
    case "aggregate":
      return JSON.stringify(["aggregate", plan.name, plan.grouping, plan.limit]);
    case "binary": {
      const { op, bool, matching, join, keepMetricNames, fillLeft, fillRight, left, right } = plan.expr;
      const fills = [fillLeft, fillRight].map((fill) => (fill === undefined ? "" : String(fill)));
      return JSON.stringify(["binary", op, bool, matching, join, keepMetricNames, fills, shapeOf(left), shapeOf(right)]);
    }
  }
}

/** What a binary operation looks at in its operands: whether they are lists or comparisons. */
function shapeOf(expr: Expr): string {
  if (expr.kind === "rollup") return `rollup ${shapeOf(expr.inner)}`;
  if (expr.kind === "binary") return `${expr.op} ${expr.bool}`;
  return expr.kind === "function" ? expr.name : expr.kind;
}

/** The plan with other inputs, in the order of inputsOf(). */
function withInputs(plan: Plan, inputs: readonly Plan[]): Plan {
  let next = 0;
  const take = (): Plan => inputs[next++];
  switch (plan.kind) {
    case "rollup": {
      const source = plan.source.kind === "subquery" ? { ...plan.source, inner: take() } : plan.source;
      const args = plan.args.map(take);
      const outputs = plan.outputs.map((output) => (output.argument === undefined ? output : { ...output, argument: take() }));
      return { ...plan, source, args, outputs, at: plan.at === undefined ? undefined : take() };
    }
    case "transform":
    case "aggregate":
      return { ...plan, args: plan.args.map(take) };
    case "binary":
      return { ...plan, left: take(), right: take() };
    default:
      return plan;
  }
}
