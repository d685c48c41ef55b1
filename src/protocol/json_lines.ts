/**
 * JSON lines, the format of VictoriaMetrics' /api/v1/import and /api/v1/export: one series a line with its values and
 * timestamps (milliseconds) as arrays. null and NaN are dropped. Described in docs/protocols/json_lines.md.
 */
import type { InputError } from "../base/errors.ts";
import { jsonLinesParse } from "../kernel/json_lines.ts";
import { type MetricMetadata, sampleKindHistogram, seriesRow } from "../model/row_batch.ts";
import { KernelSliceParser } from "./kernel_slice_parser.ts";
import { firstLineError } from "./line_error.ts";
import { applyFixes } from "./text_numbers.ts";

export class JsonLinesParser extends KernelSliceParser {
  protected override parseSlice(): number {
    const status = jsonLinesParse(this.area);
    applyFixes(this.area);
    // An export has the components of native histograms as series like others, and is taken back as it is.
    const rows = this.area.seriesRows;
    for (let at: number = seriesRow.sampleKind; at < rows.length; at += seriesRow.slots) rows[at] = sampleKindHistogram;
    return status;
  }

  protected override describeError(): InputError | undefined {
    return firstLineError(this.area);
  }

  protected override takeMetadata(): readonly MetricMetadata[] {
    return [];
  }
}
