/**
 * JSON lines, the format of VictoriaMetrics' /api/v1/import and /api/v1/export: one series a line with its values and
 * timestamps (milliseconds) as arrays. null and NaN are dropped. Described in docs/protocols/json_lines.md.
 */
import type { InputError } from "../base/errors.ts";
import { jsonLinesParse } from "../kernel/json_lines.ts";
import type { MetricMetadata } from "../model/row_batch.ts";
import { KernelSliceParser } from "./kernel_slice_parser.ts";
import { firstLineError } from "./line_error.ts";
import { applyFixes } from "./text_numbers.ts";

export class JsonLinesParser extends KernelSliceParser {
  protected override parseSlice(): number {
    const status = jsonLinesParse(this.area);
    applyFixes(this.area);
    return status;
  }

  protected override describeError(): InputError | undefined {
    return firstLineError(this.area);
  }

  protected override takeMetadata(): readonly MetricMetadata[] {
    return [];
  }
}
