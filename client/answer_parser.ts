/**
 * Parser of query answers:
 *
 *   {"status":"success","data":{"resultType":"matrix","result":[{"metric":{"job":"a"},"values":[[1795255644.5,"1.25"],...]},...]}}
 *
 * An answer with thousands of series has tens of megabytes; JSON.parse would block the page for as long as it takes and leave an array and
 * a string per sample. This one goes through the bytes once, yields after each series so that the caller can let others run, and makes two
 * Float64Arrays per series. Whatever is not a sample (labels, warnings) is cut out and left to JSON.parse.
 */
import { AnswerError } from "./errors.ts";

/** A label set with its samples, ascending in time. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
}

/** The answer to a query. A scalar is one series without labels; of a string only `text` and the time are there. */
export interface QueryAnswer {
  readonly resultType: "matrix" | "vector" | "scalar" | "string";
  readonly series: readonly Series[];
  /** The value if resultType is "string". */
  readonly text: string | undefined;
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
  /** Why there is no series, as far as the server knows; Tidemark only. */
  readonly hints: readonly string[];
  /** Some storage did not answer: data may be missing. */
  readonly isPartial: boolean;
  readonly sizeBytes: number;
}

/** Parses an answer with status "success"; yields between series, returns the answer. Throws AnswerError. */
export function* parseQueryAnswer(bytes: Uint8Array): Generator<undefined, QueryAnswer> {
  const cursor = new JsonCursor(bytes);
  const envelope: Record<string, unknown> = {};
  const data: Record<string, unknown> = {};
  const series: Series[] = [];
  for (const key of cursor.keys()) {
    if (key !== "data" || cursor.peek() !== openBrace) {
      envelope[key] = cursor.json();
      continue;
    }
    for (const dataKey of cursor.keys()) {
      if (dataKey === "result" && cursor.peek() === openBracket) {
        const single = yield* parseResult(cursor, series);
        if (single !== undefined) data.single = single;
      } else {
        data[dataKey] = cursor.json();
      }
    }
  }
  cursor.expectEnd();
  return makeAnswer(envelope, data, series, bytes.length);
}

/** The elements of "result" go to `series`; a scalar or string [time, "value"] is returned. */
function* parseResult(cursor: JsonCursor, series: Series[]): Generator<undefined, unknown> {
  const begin = cursor.at;
  cursor.expect(openBracket);
  if (cursor.take(closeBracket)) return undefined;
  if (cursor.peek() !== openBrace) {
    cursor.at = begin;
    return cursor.json();
  }
  do {
    series.push(parseSeries(cursor));
    yield undefined;
  } while (cursor.take(comma));
  cursor.expect(closeBracket);
  return undefined;
}

function makeAnswer(envelope: Record<string, unknown>, data: Record<string, unknown>, series: Series[], sizeBytes: number): QueryAnswer {
  const resultType = data.resultType;
  if (envelope.status !== "success") throw new AnswerError(`status is ${JSON.stringify(envelope.status)} instead of "success"`);
  if (resultType !== "matrix" && resultType !== "vector" && resultType !== "scalar" && resultType !== "string") {
    throw new AnswerError(`unknown resultType ${JSON.stringify(resultType)}`);
  }
  let text: string | undefined;
  if (Array.isArray(data.single)) {
    const [time, value] = data.single as unknown[];
    if (resultType === "string") text = String(value);
    series.push({ labels: {}, timestampsMs: Float64Array.of(Math.round(Number(time) * 1000)), values: Float64Array.of(parseSampleValue(String(value))) });
  }
  return {
    resultType, series, text, sizeBytes,
    warnings: stringsOf(envelope.warnings),
    infos: stringsOf(envelope.infos),
    hints: stringsOf(envelope.hints),
    isPartial: envelope.isPartial === true,
  };
}

function stringsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

const noSamples: Samples = { timestampsMs: new Float64Array(0), values: new Float64Array(0) };

type Samples = Pick<Series, "timestampsMs" | "values">;

function parseSeries(cursor: JsonCursor): Series {
  let labels: Record<string, string> = {};
  let samples = noSamples;
  for (const key of cursor.keys()) {
    if (key === "values") samples = parseSamples(cursor);
    else if (key === "value") samples = parseOneSample(cursor);
    else if (key === "metric") labels = cursor.json() as Record<string, string>;
    else cursor.skipValue();
  }
  return { labels, ...samples };
}

/** Scratch of parseSamples; it never holds anything across a yield. */
let scratch = new Float64Array(2 * 1024);

function parseSamples(cursor: JsonCursor): Samples {
  let count = 0;
  cursor.expect(openBracket);
  if (!cursor.take(closeBracket)) {
    do {
      if (2 * count === scratch.length) scratch = growColumn(scratch);
      parsePair(cursor, scratch, 2 * count);
      count++;
    } while (cursor.take(comma));
    cursor.expect(closeBracket);
  }
  const timestampsMs = new Float64Array(count);
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    timestampsMs[i] = scratch[2 * i];
    values[i] = scratch[2 * i + 1];
  }
  return { timestampsMs, values };
}

function parseOneSample(cursor: JsonCursor): Samples {
  const pair = new Float64Array(2);
  parsePair(cursor, pair, 0);
  return { timestampsMs: pair.slice(0, 1), values: pair.slice(1) };
}

function growColumn(column: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(2 * column.length);
  grown.set(column);
  return grown;
}

function parsePair(cursor: JsonCursor, target: Float64Array, index: number): void {
  cursor.expect(openBracket);
  target[index] = Math.round(cursor.number() * 1000);
  cursor.expect(comma);
  target[index + 1] = cursor.quotedNumber();
  cursor.expect(closeBracket);
}

/** A sample value as the API prints it: a number, NaN, +Inf or -Inf. */
export function parseSampleValue(text: string): number {
  if (/^[+-]?inf(inity)?$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  return text.trim() === "" ? Number.NaN : Number(text);
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

const powersOfTen = Float64Array.from({ length: 16 }, (_, i) => Number(`1e${i}`));
const decoder = new TextDecoder();
/** One character per byte, whatever the byte is. */
const byteDecoder = new TextDecoder("latin1");
const stretchSize = 16_384;

/** A position in JSON text. Every method starts at a token and ends behind what it read. */
class JsonCursor {
  at = 0;
  readonly #bytes: Uint8Array;
  #stretch = "";
  #stretchFrom = 0;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Goes over the keys of an object; the caller reads the value of each. */
  *keys(): Generator<string> {
    this.expect(openBrace);
    if (this.take(closeBrace)) return;
    do {
      const key = this.json();
      if (typeof key !== "string") throw this.#error("a key must be a string");
      this.expect(colon);
      this.#skipSpace();
      yield key;
    } while (this.take(comma));
    this.expect(closeBrace);
  }

  peek(): number {
    this.#skipSpace();
    return this.#bytes[this.at];
  }

  take(byte: number): boolean {
    if (this.peek() !== byte) return false;
    this.at++;
    return true;
  }

  expect(byte: number): void {
    if (!this.take(byte)) throw this.#error(`expected ${String.fromCharCode(byte)}`);
  }

  expectEnd(): void {
    this.#skipSpace();
    if (this.at !== this.#bytes.length) throw this.#error("expected the end");
  }

  json(): unknown {
    this.#skipSpace();
    const begin = this.at;
    this.skipValue();
    try {
      return JSON.parse(decoder.decode(this.#bytes.subarray(begin, this.at)));
    } catch (error) {
      throw new AnswerError(`cannot read the JSON value at byte ${begin}`, { cause: error });
    }
  }

  /** Goes behind a value, looking at nothing but nesting and strings. */
  skipValue(): void {
    this.#skipSpace();
    let depth = 0;
    do {
      const byte = this.#bytes[this.at];
      if (byte === undefined) throw this.#error("unexpected end");
      if (byte === quote) this.#skipString();
      else if (byte === openBrace || byte === openBracket) depth += this.#step();
      else if (byte === closeBrace || byte === closeBracket) depth -= this.#step();
      else if (depth > 0) this.at++;
      else this.#skipWord();
    } while (depth > 0);
    if (depth < 0) throw this.#error("unexpected closing bracket");
  }

  number(): number {
    this.#skipSpace();
    const begin = this.at;
    this.#skipWord();
    return this.#decimal(begin, this.at);
  }

  quotedNumber(): number {
    this.expect(quote);
    const begin = this.at;
    while (this.#bytes[this.at] !== quote) {
      if (this.at >= this.#bytes.length) throw this.#error("unexpected end");
      this.at++;
    }
    return this.#decimal(begin, this.at++);
  }

  /**
   * The number in bytes [from, to). Up to 15 digits fit a float64 exactly, and so does a power of ten up to 10^15, hence one division
   * rounds correctly; all else takes the way over a string.
   */
  #decimal(from: number, to: number): number {
    const bytes = this.#bytes;
    let i = bytes[from] === 0x2d ? from + 1 : from;
    let mantissa = 0;
    let digits = 0;
    let point = -1;
    for (; i < to; i++) {
      const digit = bytes[i] - 0x30;
      if (digit >= 0 && digit <= 9) {
        mantissa = mantissa * 10 + digit;
        digits++;
      } else if (digit === -2 && point < 0) {
        point = digits;
      } else {
        break;
      }
    }
    if (i < to || digits === 0 || digits > 15) return this.#decimalFromText(from, to);
    const magnitude = point < 0 ? mantissa : mantissa / powersOfTen[digits - point];
    return bytes[from] === 0x2d ? -magnitude : magnitude;
  }

  #decimalFromText(from: number, to: number): number {
    if (to - from > 64) throw this.#error("number is too long");
    const text = this.#shortText(from, to);
    const value = parseSampleValue(text);
    if (Number.isNaN(value) && text !== "NaN") throw this.#error(`${JSON.stringify(text)} is not a number`);
    return value;
  }

  /** Text of a few bytes: cut out of a decoded stretch, because making a string byte by byte takes three to ten times as long. */
  #shortText(from: number, to: number): string {
    if (from < this.#stretchFrom || to > this.#stretchFrom + this.#stretch.length) {
      this.#stretchFrom = from;
      this.#stretch = byteDecoder.decode(this.#bytes.subarray(from, from + stretchSize));
    }
    return this.#stretch.slice(from - this.#stretchFrom, to - this.#stretchFrom);
  }

  #step(): 1 {
    this.at++;
    return 1;
  }

  #skipString(): void {
    const bytes = this.#bytes;
    for (this.at++; bytes[this.at] !== quote; this.at++) {
      if (bytes[this.at] === backslash) this.at++;
      if (this.at >= bytes.length) throw this.#error("unexpected end of a string");
    }
    this.at++;
  }

  /** Numbers, true, false and null: what ends at a space, comma or bracket. */
  #skipWord(): void {
    const begin = this.at;
    const bytes = this.#bytes;
    while (this.at < bytes.length) {
      const byte = bytes[this.at];
      if (byte <= 0x20 || byte === comma || byte === colon || byte === closeBracket || byte === closeBrace) break;
      this.at++;
    }
    if (this.at === begin) throw this.#error("expected a value");
  }

  #skipSpace(): void {
    while (this.#bytes[this.at] <= 0x20) this.at++;
  }

  #error(message: string): AnswerError {
    return new AnswerError(`cannot read the answer of the server at byte ${this.at}: ${message}`);
  }
}
