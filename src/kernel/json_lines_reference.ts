/** Plain twin of the JSON lines parser. Texts are latin1 strings, one character a byte. */
import { defaultLabelLimits, type LabelLimits } from "./label_run.ts";
import { buildLabelRun, floatBits, type LabelPair, type ParsedBody } from "./label_run_reference.ts";
import { readNumber, readTimestamp } from "./prometheus_text_reference.ts";

class BadLine extends Error {}

/** Reads one line from the left. */
class JsonReader {
  #text: string;
  #at = 0;
  constructor(text: string) {
    this.#text = text;
  }
  blanks(): void {
    while (/[ \t\r]/.test(this.peek())) this.#at++;
  }
  peek(): string {
    return this.#text.charAt(this.#at);
  }
  /** Takes what the sticky pattern matches here. */
  take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) throw new BadLine();
    this.#at += match[0].length;
    return match[0];
  }
  /** A string in quotes, without them; its escapes are left. */
  string(): string {
    return this.take(/"([^"\\]|\\[^])*"/y).slice(1, -1);
  }
  /** An array as text, up to the first closing bracket. */
  array(): string[] {
    const text = this.take(/\[[^\]]*\]/y).slice(1, -1);
    return /^[ \t\r]*$/.test(text) ? [] : text.split(",").map((element) => element.replace(/^[ \t\r]+|[ \t\r]+$/g, ""));
  }
  /** Passes over any value; brackets are only counted. */
  skip(): void {
    const start = this.#at;
    for (let depth = 0; this.#at < this.#text.length; ) {
      const character = this.peek();
      if (character === '"') {
        this.string();
        if (depth === 0) return;
        continue;
      }
      if ("{[".includes(character)) depth++;
      else if ("}]".includes(character)) {
        if (depth === 0) break;
        if (--depth === 0) {
          this.#at++;
          return;
        }
      } else if (character === "," && depth === 0) break;
      this.#at++;
    }
    if (this.#at === start || this.#at >= this.#text.length) throw new BadLine();
  }
}

const shortEscapes: Readonly<Record<string, string>> = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

/** The bytes of a string, escapes resolved. */
function unescape(text: string): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  const hex = (from: number): number => (/^[0-9a-f]{4}$/i.test(text.slice(from, from + 4)) ? Number.parseInt(text.slice(from, from + 4), 16) : -1);
  while (at < text.length) {
    if (text[at] !== "\\") {
      parts.push(Buffer.from(text[at++], "latin1"));
      continue;
    }
    const letter = text.charAt(at + 1);
    if (letter !== "u") {
      if (shortEscapes[letter] === undefined) throw new BadLine();
      parts.push(Buffer.from(shortEscapes[letter]));
      at += 2;
      continue;
    }
    let code = hex(at + 2);
    if (code < 0) throw new BadLine();
    at += 6;
    if (code >= 0xd800 && code < 0xe000) {
      const low = code < 0xdc00 && text.slice(at, at + 2) === "\\u" ? hex(at + 2) : -1;
      if (low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        at += 6;
      } else code = 0xfffd;
    }
    parts.push(Buffer.from(String.fromCodePoint(code)));
  }
  return Buffer.concat(parts);
}

function readMetric(reader: JsonReader): LabelPair[] {
  const labels: LabelPair[] = [];
  reader.take(/\{/y);
  reader.blanks();
  for (;;) {
    const name = unescape(reader.string());
    reader.blanks();
    reader.take(/:/y);
    reader.blanks();
    labels.push({ name, value: unescape(reader.string()) });
    reader.blanks();
    if (reader.take(/[,}]/y) === "}") return labels;
    reader.blanks();
  }
}

/** undefined: null, which is no sample. */
function readValue(text: string): number | undefined {
  const bare = /^"([^"]*)"$/.exec(text)?.[1] ?? text;
  if (bare === "null") return undefined;
  const value = readNumber(bare);
  if (value === undefined) throw new BadLine();
  return value;
}

function parseLine(line: string, body: ParsedBody, extra: readonly LabelPair[], limits: LabelLimits): void {
  const reader = new JsonReader(line);
  let metric: LabelPair[] | undefined;
  let values: string[] = [];
  let timestamps: string[] = [];
  reader.take(/\{/y);
  reader.blanks();
  for (;;) {
    const key = reader.string();
    reader.blanks();
    reader.take(/:/y);
    reader.blanks();
    if (key === "metric") metric = readMetric(reader);
    else if (key === "values") values = reader.array();
    else if (key === "timestamps") timestamps = reader.array();
    else reader.skip();
    reader.blanks();
    if (reader.take(/[,}]/y) === "}") break;
    reader.blanks();
  }
  reader.blanks();
  if (reader.peek() !== "" || metric === undefined || values.length === 0 || values.length !== timestamps.length) throw new BadLine();
  const timestampsMs = timestamps.map((text) => {
    const timestampMs = readTimestamp(text, "milliseconds");
    if (timestampMs === undefined) throw new BadLine();
    return timestampMs;
  });
  const read = values.map(readValue);
  const run = buildLabelRun(metric, extra, limits);
  if (typeof run === "string") return body.drop(run, read.length);
  const isSample = (_: unknown, i: number): boolean => read[i] !== undefined;
  const kept = read.filter((value) => value !== undefined);
  body.drop("nan_value", read.length - kept.length);
  body.addSeries(run, { labelRun: new Uint8Array(0), timestampsMs: timestampsMs.filter(isSample), valueBits: kept.map(floatBits) });
}

/** Parses a whole body. */
export function jsonLinesParseReference(bytes: Uint8Array, body: ParsedBody, extra: readonly LabelPair[] = [], limits: LabelLimits = defaultLabelLimits): void {
  for (const raw of Buffer.from(bytes).toString("latin1").split("\n")) {
    const line = raw.replace(/^[ \t\r]+|[ \t\r]+$/g, "");
    if (line === "") continue;
    try {
      parseLine(line, body, extra, limits);
    } catch (error) {
      if (!(error instanceof BadLine)) throw error;
      body.skippedLines++;
    }
  }
}
