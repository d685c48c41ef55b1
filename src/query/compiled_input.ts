/** An argument of a function as it is run: an operator, or the text of a string literal. */
import type { Operator } from "./operator.ts";

export interface CompiledInput {
  readonly operator: Operator;
  readonly text: string | undefined;
}
