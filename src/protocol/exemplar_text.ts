/** Exemplars of OpenMetrics text: `# {trace_id="abc"} 0.25 1520879607.789`, behind a sample. */
import type { Exemplar } from "../model/exemplar.ts";
import type { Label } from "../model/labels.ts";
import { readExemplarLabels } from "./canonical_labels.ts";

const labelPattern = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|(?=\}))/y;
const numbersPattern = /\}[ \t]+(\S+)(?:[ \t]+(\S+))?[ \t]*$/y;

/** The exemplar in `text`, which begins with `# {`; `sampleMs` is its time if it has none. undefined if it is broken. */
export function parseExemplar(text: string, sampleMs: number): Exemplar | undefined {
  const found: Label[] = [];
  let position = 3;
  labelPattern.lastIndex = position;
  for (let label = labelPattern.exec(text); label !== null; label = labelPattern.exec(text)) {
    found.push({ name: label[1], value: label[2].replace(/\\(["\\n])/g, (_, letter: string) => (letter === "n" ? "\n" : letter)) });
    position = labelPattern.lastIndex;
  }
  while (text[position] === " ") position++;
  numbersPattern.lastIndex = position;
  const numbers = numbersPattern.exec(text);
  const labels = readExemplarLabels(found);
  if (numbers === null || labels === undefined) return undefined;
  const value = parseNumber(numbers[1]);
  const timestampMs = numbers[2] === undefined ? sampleMs : Math.round(parseNumber(numbers[2]) * 1000);
  return Number.isNaN(value) || !Number.isFinite(timestampMs) ? undefined : { labels, value, timestampMs };
}

function parseNumber(text: string): number {
  if (/^[-+]?inf(inity)?$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  return /^[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : NaN;
}
