/** What MetricsQL has and PromQL has not, said as such when it stands in a query of PromQL. */
import type { InputError } from "../base/errors.ts";
import { functions, nearestFunction } from "./functions.ts";
import { promqlFunctions } from "./promql_functions.ts";
import type { TokenStream } from "./token_stream.ts";

const metricsqlWords: ReadonlyMap<string, string> = new Map([
  ["default", "the operator default"], ["if", "the operator if"], ["ifnot", "the operator ifnot"],
  ["keep_metric_names", "keep_metric_names"], ["limit", "limit after an aggregate"], ["prefix", "prefix after group_left and group_right"],
]);

/** The error for `what`, which only MetricsQL has. */
export function onlyMetricsql(tokens: TokenStream, what: string, offset: number): InputError {
  return tokens.error(`${what} is part of MetricsQL, not of PromQL`, offset);
}

/** The error for the next token where an operator or the end of the expression had to stand. */
export function refuseAfterOperand(tokens: TokenStream): InputError {
  const { kind, text, offset } = tokens.peek();
  const what = kind === "identifier" ? metricsqlWords.get(text.toLowerCase()) : undefined;
  return what === undefined ? tokens.unexpected("an operator") : onlyMetricsql(tokens, what, offset);
}

/** The error for a call of a function that PromQL does not have. */
export function refuseFunction(tokens: TokenStream, name: string, offset: number): InputError {
  const lower = name.toLowerCase();
  if (promqlFunctions.has(lower)) return tokens.error(`unknown function "${name}": names of functions are lower case in PromQL, did you mean "${lower}"?`, offset);
  if (functions.has(lower)) return onlyMetricsql(tokens, `the function ${lower}()`, offset);
  const nearest = nearestFunction(name, promqlFunctions.keys());
  return tokens.error(`unknown function "${name}"${nearest === undefined ? "" : `; did you mean "${nearest}"?`}`, offset);
}
