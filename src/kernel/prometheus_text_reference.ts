/** Plain twin of the Prometheus text parser. Texts are latin1 strings, one character a byte. */
import { defaultLabelLimits, type LabelLimits } from "./label_run.ts";
import { buildLabelRun, floatBits, type LabelPair, type ParsedBody } from "./label_run_reference.ts";

export interface TextOptions {
  readonly extra?: readonly LabelPair[];
  readonly limits?: LabelLimits;
  readonly nowMs?: number;
  readonly unit?: "auto" | "milliseconds" | "seconds";
}

const numberPattern = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const wordPattern = /^([+-]?)(nan|inf|infinity)$/i;

/** The value of a number in text, or undefined. */
export function readNumber(text: string): number | undefined {
  if (numberPattern.test(text)) return Number(text);
  const word = wordPattern.exec(text);
  if (word === null) return undefined;
  if (word[2].toLowerCase() === "nan") return Number.NaN;
  return word[1] === "-" ? -Infinity : Infinity;
}

/** A decimal number times 10^power, by moving its point. */
function scaled(text: string, power: number): number {
  const [digits, exponent] = text.toLowerCase().split("e");
  return Number(`${digits}e${Number(exponent ?? 0) + power}`);
}

/** Whole milliseconds of a timestamp in text, or undefined. */
export function readTimestamp(text: string, unit: TextOptions["unit"] = "auto"): number | undefined {
  if (!numberPattern.test(text)) return undefined;
  const value = Number(text);
  const isSeconds = unit === "seconds" || (unit === "auto" && value >= -(2 ** 31) && value < 2 ** 31);
  const timestampMs = Math.floor(isSeconds ? scaled(text, 3) : value);
  return Number.isFinite(timestampMs) ? timestampMs + 0 : undefined;
}

class BadLine extends Error {}

/** Reads one line from the left. */
class LineReader {
  #rest: string;
  constructor(line: string) {
    this.#rest = line;
  }
  /** Takes what the pattern matches at the start, or answers undefined. */
  take(pattern: RegExp): string | undefined {
    const match = pattern.exec(this.#rest);
    if (match === null || match.index !== 0) return undefined;
    this.#rest = this.#rest.slice(match[0].length);
    return match[0];
  }
  expect(pattern: RegExp): string {
    const text = this.take(pattern);
    if (text === undefined) throw new BadLine();
    return text;
  }
  skipBlanks(): void {
    this.take(/[ \t]*/);
  }
}

function readQuoted(reader: LineReader): string {
  const text = reader.expect(/"([^"\\]|\\[^])*"/);
  return text.slice(1, -1).replace(/\\(["\\n])/g, (_, letter: string) => (letter === "n" ? "\n" : letter));
}

function readLabels(reader: LineReader, name: string): [string, string][] {
  const labels: [string, string][] = name === "" ? [] : [["__name__", name]];
  let named = name !== "";
  for (;;) {
    reader.skipBlanks();
    if (reader.take(/\}/) !== undefined) break;
    const isQuoted = reader.take(/(?=")/) !== undefined;
    const key = isQuoted ? readQuoted(reader) : reader.expect(/[^= \t,}"{]*/);
    reader.skipBlanks();
    if (reader.take(/=/) !== undefined) {
      reader.skipBlanks();
      const value = readQuoted(reader);
      if (key === "__name__") {
        if (named) throw new BadLine();
        named = value !== "";
      }
      labels.push([key, value]);
    } else {
      if (!isQuoted || named || key === "") throw new BadLine();
      named = true;
      labels.push(["__name__", key]);
    }
    reader.skipBlanks();
    if (reader.take(/\}/) !== undefined) break;
    reader.expect(/,/);
  }
  if (!named) throw new BadLine();
  return labels;
}

function parseLine(line: string, body: ParsedBody, options: TextOptions): void {
  const reader = new LineReader(line);
  const name = reader.expect(/[^ \t{"}]*(?=[ \t{]|$)/);
  reader.skipBlanks();
  const labels: [string, string][] = reader.take(/\{/) === undefined ? [["__name__", name]] : readLabels(reader, name);
  reader.skipBlanks();
  const value = readNumber(reader.expect(/[^ \t#]+/));
  reader.skipBlanks();
  const timestampText = reader.take(/[^ \t#]+/);
  reader.skipBlanks();
  reader.expect(/#|$/);
  const timestampMs = timestampText === undefined ? options.nowMs ?? 0 : readTimestamp(timestampText, options.unit);
  if (value === undefined || timestampMs === undefined) throw new BadLine();
  const pairs = labels.map(([key, text]) => ({ name: Buffer.from(key, "latin1"), value: Buffer.from(text, "latin1") }));
  const run = buildLabelRun(pairs, options.extra ?? [], options.limits ?? defaultLabelLimits);
  body.addSeries(run, { labelRun: new Uint8Array(0), timestampsMs: [timestampMs], valueBits: [floatBits(value)] });
}

/** Parses a whole body. */
export function prometheusTextParseReference(bytes: Uint8Array, body: ParsedBody, options: TextOptions = {}): void {
  for (const raw of Buffer.from(bytes).toString("latin1").split("\n")) {
    const line = raw.replace(/\r$/, "").replace(/^[ \t]+/, "");
    if (line === "" || line.startsWith("#")) continue;
    try {
      parseLine(line, body, options);
    } catch (error) {
      if (!(error instanceof BadLine)) throw error;
      body.skippedLines++;
    }
  }
}
