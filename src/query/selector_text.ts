/** Selectors as one would write them. */
import { printExpr } from "../metricsql/printer.ts";
import type { Selector } from "../model/matcher.ts";

export function printSelector(selector: Selector): string {
  return printExpr({ kind: "selector", position: 0, groups: selector });
}
