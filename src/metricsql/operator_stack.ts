/** Combines the operands of a chain by the precedence of its operators, with a stack instead of recursion, so that a chain may be long. */

interface Frame<Operand> {
  readonly precedence: number;
  readonly combine: (right: Operand) => Operand;
}

/** Operators that wait for their right operand. */
export class OperatorStack<Operand> {
  readonly #frames: Frame<Operand>[] = [];

  /** Adds an operator; `combine` makes the operation when the right operand is known. */
  push(precedence: number, combine: (right: Operand) => Operand): void {
    this.#frames.push({ precedence, combine });
  }

  /** Closes the operations on top that bind at least as tightly as `precedence`: the left operand of the operator that follows. */
  reduce(operand: Operand, precedence = -Infinity): Operand {
    let result = operand;
    for (let frame = this.#frames.at(-1); frame !== undefined && frame.precedence >= precedence; frame = this.#frames.at(-1)) {
      this.#frames.pop();
      result = frame.combine(result);
    }
    return result;
  }
}
