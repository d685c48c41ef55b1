/** Parsed and planned queries by their text: dashboards and rules ask the same ones again and again. */
import type { Expr } from "../metricsql/ast.ts";
import { parseExpr } from "../metricsql/parser.ts";
import type { Plan } from "./plan.ts";
import { planQuery } from "./planner.ts";

/** The characters of all texts together; a plan takes some tens of bytes for each. */
const textLengthMax = 1 << 17;

/** A query that was parsed; planned when that is asked for. */
export class PlannedQuery {
  readonly expr: Expr;
  #plan: Plan | undefined;

  constructor(expr: Expr) {
    this.expr = expr;
  }

  /** Throws InputError and UnsupportedError. */
  get plan(): Plan {
    this.#plan ??= planQuery(this.expr);
    return this.#plan;
  }
}

export class PlanCache {
  /** Least recently used first. */
  readonly #queries = new Map<string, PlannedQuery>();
  #textLength = 0;
  /** What was asked for last: a query is looked up several times on its way. */
  #lastText: string | undefined;
  #lastQuery: PlannedQuery | undefined;

  /** Throws InputError when the text cannot be parsed. */
  get(text: string): PlannedQuery {
    if (text === this.#lastText && this.#lastQuery !== undefined) return this.#lastQuery;
    const known = this.#queries.get(text);
    const query = known ?? new PlannedQuery(parseExpr(text));
    if (known === undefined) this.#textLength += text.length;
    else this.#queries.delete(text);
    this.#queries.set(text, query);
    this.#lastText = text;
    this.#lastQuery = query;
    for (const oldest of this.#queries.keys()) {
      if (this.#textLength <= textLengthMax) break;
      this.#queries.delete(oldest);
      this.#textLength -= oldest.length;
    }
    return query;
  }
}
