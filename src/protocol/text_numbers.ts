/** Numbers that the kernel could not round exactly (very rare: see wasm/number_parser.ts) are read by JavaScript. */
import type { ParseArea } from "../kernel/label_run.ts";

/** Puts the values of the area's fixes into its value column. */
export function applyFixes(area: ParseArea): void {
  const fixes = area.fixes;
  const values = area.values;
  for (let i = 0; i < fixes.length; i += 3) {
    const text = Buffer.from(area.kernel.u8.subarray(fixes[i + 1], fixes[i + 1] + fixes[i + 2])).toString("latin1");
    values[fixes[i]] = Number(text);
  }
}
