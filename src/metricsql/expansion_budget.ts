/**
 * Bounds the expansion of WITH templates: how deep a tree may get, so that whoever walks it need not fear for the stack,
 * and how much templates may add, since a few that use each other twice would otherwise grow without end.
 */
import { parseError } from "./parse_error.ts";

/** How many levels a tree may have; a chain of n operators has n levels. Half of what the default stack allows. */
export const maxDepth = 400;

/** How much templates may add: nodes, filters, labels, and one per 16 characters of strings. */
export const maxExpansion = 50_000;

/** What an expression costs wherever it is used: `size` counts nodes and the like, `depth` levels. */
export interface Cost {
  readonly size: number;
  readonly depth: number;
}

/** Accounts for the expansion of one query. */
export class ExpansionBudget {
  readonly #text: string;
  #depth = 0;
  #deepest = 0;
  #size = 0;
  #added = 0;
  #templateDepth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Goes one level deeper, for a node at `position`. After an error the budget is of no use any more. */
  enter(position: number): void {
    this.#reach(this.#depth + 1, position);
    this.#depth++;
    this.charge(1, position);
  }

  /** Ends what enter began. */
  leave(): void {
    this.#depth--;
  }

  /** Goes into the body of a template: what it makes is added to the query. */
  enterTemplate(): void {
    this.#templateDepth++;
  }

  /** Ends what enterTemplate began. */
  leaveTemplate(): void {
    this.#templateDepth--;
  }

  /** Accounts for `size` more; outside templates that is what the query itself has, which is not limited here. */
  charge(size: number, position: number): void {
    this.#size += size;
    if (this.#templateDepth > 0) this.#add(size, position);
  }

  /** Accounts for an expression that is used again, or for a product of parts of the query. */
  chargeAgain({ size, depth }: Cost, position: number): void {
    this.#size += size;
    this.#add(size, position);
    this.#reach(this.#depth + depth, position);
  }

  /** Runs `expand` and gives its cost beside the result. */
  measure<T>(expand: () => T): { readonly result: T; readonly cost: Cost } {
    const outerDeepest = this.#deepest;
    const outerSize = this.#size;
    this.#deepest = this.#depth;
    const result = expand();
    const cost = { size: this.#size - outerSize, depth: this.#deepest - this.#depth };
    this.#deepest = Math.max(this.#deepest, outerDeepest);
    return { result, cost };
  }

  #reach(depth: number, position: number): void {
    this.#deepest = Math.max(this.#deepest, depth);
    if (depth > maxDepth) throw tooDeep(this.#text, position);
  }

  #add(size: number, position: number): void {
    this.#added += size;
    if (this.#added > maxExpansion) throw parseError(this.#text, position, `WITH templates add more than ${maxExpansion} nodes to the query`);
  }
}

/** The error for a tree of more than maxDepth levels. */
export function tooDeep(text: string, position: number): Error {
  return parseError(text, position, `the query is more than ${maxDepth} levels deep, counting chained operators`);
}
