/**
 * The Prometheus text exposition format and OpenMetrics text. Comments are passed over, in OpenMetrics but for exemplars; HELP, TYPE and UNIT
 * become metadata. Timestamps are milliseconds in the one and seconds in the other format: see timestampUnitOf.
 * Described in docs/protocols/prometheus_text.md.
 */
import type { InputError } from "../base/errors.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { defaultLabelLimits, type IntakeRules, timestampUnit } from "../kernel/label_run.ts";
import { exemplarNoteFlag, prometheusTextParse } from "../kernel/prometheus_text.ts";
import type { SeriesExemplar } from "../model/exemplar.ts";
import { type MetricMetadata, seriesRow } from "../model/row_batch.ts";
import { parseExemplar } from "./exemplar_text.ts";
import { KernelSliceParser } from "./kernel_slice_parser.ts";
import { firstLineError, lineError } from "./line_error.ts";
import type { ParseReport, SliceOptions } from "./slice_parser.ts";
import { applyFixes } from "./text_numbers.ts";

/**
 * The unit of timestamps by content type: OpenMetrics says seconds. Any other text is read as VictoriaMetrics does: a
 * number between -2^31 and 2^31 is seconds, all else milliseconds.
 */
export function timestampUnitOf(contentType: string): "auto" | "seconds" {
  return /^\s*application\/openmetrics-text\b/i.test(contentType) ? "seconds" : "auto";
}

export class PrometheusTextParser extends KernelSliceParser {
  #unit: keyof typeof timestampUnit;
  #families = new MetadataReader();
  #exemplars: SeriesExemplar[] = [];

  constructor(kernel: Kernel, limits: IntakeRules = defaultLabelLimits, unit: keyof typeof timestampUnit = "auto") {
    super(kernel, limits);
    this.#unit = unit;
  }

  protected override timestampUnit(): number {
    return timestampUnit[this.#unit];
  }

  /** As SliceParser.start; `unit` replaces the unit of timestamps for this and the following bodies. */
  override start(bodyPointer: number, bodySize: number, options: SliceOptions & { unit?: keyof typeof timestampUnit }): void {
    this.#unit = options.unit ?? this.#unit;
    this.#families = new MetadataReader();
    this.#exemplars = [];
    super.start(bodyPointer, bodySize, options);
  }

  protected override parseSlice(): number {
    const status = prometheusTextParse(this.area);
    applyFixes(this.area);
    return status;
  }

  protected override takeMetadata(finished: boolean): readonly MetricMetadata[] {
    const { notes, kernel } = this.area;
    for (let i = 0; i < notes.length; i += 2) {
      if (notes[i + 1] >= exemplarNoteFlag) {
        if (this.#unit === "seconds") this.#readExemplar(notes[i], notes[i + 1] - exemplarNoteFlag, notes[i + 2], notes[i + 3]);
        i += 2;
        continue;
      }
      const comment = Buffer.from(kernel.u8.subarray(notes[i], notes[i] + notes[i + 1])).toString("utf8");
      this.#families.read(comment, notes[i]);
    }
    return this.#families.take(finished);
  }

  /** Reads the exemplar at `pointer`, which belongs to a row and a sample of the slice. A broken one is left out. */
  #readExemplar(pointer: number, size: number, row: number, sample: number): void {
    const { kernel, seriesRows, timestampsMs } = this.area;
    const exemplar = parseExemplar(Buffer.from(kernel.u8.subarray(pointer, pointer + size)).toString("utf8"), timestampsMs[sample]);
    if (exemplar === undefined) return;
    const from = seriesRows[row * seriesRow.slots + seriesRow.labelsOffset];
    this.#exemplars.push({ ...exemplar, labelRun: kernel.u8.slice(from, from + seriesRows[row * seriesRow.slots + seriesRow.labelsSize]) });
  }

  protected override takeExemplars(): readonly SeriesExemplar[] {
    const taken = this.#exemplars;
    this.#exemplars = [];
    return taken;
  }

  protected override describeError(): InputError | undefined {
    return firstLineError(this.area);
  }

  override get report(): ParseReport {
    const report = super.report;
    const bad = this.#families.firstBad;
    if (bad === undefined) return report;
    const firstError = report.firstError ?? this.#badComment(bad.pointer, bad.message);
    return { ...report, skippedLines: report.skippedLines + this.#families.badCount, firstError };
  }

  #badComment(pointer: number, message: string): InputError {
    const { kernel, bodyPointer } = this.area;
    const before = kernel.u8.subarray(bodyPointer, pointer);
    let line = 1;
    for (const byte of before) if (byte === 10) line++;
    return lineError(line, pointer - bodyPointer - before.lastIndexOf(10), message, pointer - bodyPointer);
  }
}

const metricTypes: Readonly<Record<string, MetricMetadata["type"]>> = {
  counter: "counter", gauge: "gauge", histogram: "histogram", gaugehistogram: "gaugehistogram", summary: "summary", info: "info",
  stateset: "stateset", unknown: "unknown", untyped: "unknown",
};

/** Joins the HELP, TYPE and UNIT comments of a metric family, which follow each other, into one entry. */
class MetadataReader {
  #current: { metricFamily: string; type: MetricMetadata["type"]; help: string; unit: string } | undefined;
  #finished: MetricMetadata[] = [];
  badCount = 0;
  firstBad: { pointer: number; message: string } | undefined;

  /** Reads the comment `# WORD name rest`, which stands at `pointer`. */
  read(comment: string, pointer: number): void {
    const word = comment.slice(2, 6);
    const { name, rest } = splitName(comment.slice(7).replace(/^[ \t]+/, ""));
    if (name === "") return this.#bad(pointer, `the metric name is missing behind ${word}`);
    const type = metricTypes[rest.trim()];
    if (word === "TYPE" && type === undefined) return this.#bad(pointer, `unknown metric type ${JSON.stringify(rest.trim())}`);
    if (this.#current?.metricFamily !== name) {
      if (this.#current !== undefined) this.#finished.push(this.#current);
      this.#current = { metricFamily: name, type: "unknown", help: "", unit: "" };
    }
    if (word === "TYPE") this.#current.type = type;
    else if (word === "HELP") this.#current.help = rest.replace(/\\(["\\n])/g, (_, letter: string) => (letter === "n" ? "\n" : letter));
    else this.#current.unit = rest.trim();
  }

  #bad(pointer: number, message: string): void {
    this.badCount++;
    this.firstBad ??= { pointer, message };
  }

  /** The families that are complete; at the end of the body all of them. */
  take(finished: boolean): MetricMetadata[] {
    const taken = this.#finished;
    this.#finished = [];
    if (finished && this.#current !== undefined) {
      taken.push(this.#current);
      this.#current = undefined;
    }
    return taken;
  }
}

/** A name, quoted or up to the next blank, and what follows the blank. */
function splitName(text: string): { name: string; rest: string } {
  const quoted = /^"((?:[^"\\]|\\.)*)"[ \t]*/.exec(text);
  if (quoted !== null) return { name: quoted[1].replace(/\\(["\\])/g, "$1"), rest: text.slice(quoted[0].length) };
  const blank = text.search(/[ \t]/);
  return blank < 0 ? { name: text, rest: "" } : { name: text.slice(0, blank), rest: text.slice(blank + 1).replace(/^[ \t]+/, "") };
}
