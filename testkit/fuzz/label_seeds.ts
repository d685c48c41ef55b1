/** Label runs for the makers of encodings. */
import type { Random } from "../../src/base/random.ts";
import { encodeLabelRun, type Labels, labelsOf } from "../../src/model/labels.ts";

/** The run of one label with a value of this size. */
export function randomLabels(name: string, valueSize: number): Uint8Array {
  return encodeLabelRun([{ name, value: "v".repeat(Math.max(valueSize, 1)) }]);
}

/** Labels as series have them, with some odd ones. */
export function randomLabelSet(random: Random): Labels {
  const record: Record<string, string> = { __name__: `metric_${random.int(20)}` };
  for (let i = random.int(6); i > 0; i--) record[`label_${random.int(12)}`] = random.int(8) === 0 ? "ü\u{1f600}".repeat(1 + random.int(60)) : `value-${random.int(50)}`;
  return labelsOf(record);
}

/** Canonical runs of `count` label sets. */
export function randomRuns(count: number, random: Random): Uint8Array[] {
  return Array.from({ length: count }, () => encodeLabelRun(randomLabelSet(random)));
}
