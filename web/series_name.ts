/** Label sets as text and keys. The part that all series of an answer share is told apart, so that lists show the difference only. */

/** Names and values of labels; the metric name is `__name__`. */
export type Labels = Readonly<Record<string, string>>;

/** Canonical text of a label set: name{a="b",c="d"} with sorted labels; also the key that its colour comes from. */
export function printSeries(labels: Labels): string {
  return (labels.__name__ ?? "") + printLabels(Object.keys(labels).filter((name) => name !== "__name__"), labels);
}

function printLabels(names: string[], labels: Labels): string {
  if (names.length === 0) return "";
  return `{${names.sort().map((name) => `${printLabelName(name)}=${JSON.stringify(labels[name])}`).join(", ")}}`;
}

function printLabelName(name: string): string {
  return /^[A-Za-z_:][\w:.]*$/.test(name) ? name : JSON.stringify(name);
}

/** The labels that every one of `all` has with the same value. */
export function commonLabels(all: readonly Labels[]): Labels {
  if (all.length === 0) return {};
  const common: Record<string, string> = { ...all[0] };
  for (const labels of all) {
    for (const name in common) if (labels[name] !== common[name]) delete common[name];
  }
  return common;
}

/** The series without the labels in `hidden`; all of it if nothing else would be left. */
export function printDifference(labels: Labels, hidden: Labels): string {
  const names = Object.keys(labels).filter((name) => name !== "__name__" && hidden[name] === undefined);
  const metric = hidden.__name__ === undefined ? (labels.__name__ ?? "") : "";
  const text = metric + printLabels(names, labels);
  if (text !== "") return text;
  return Object.keys(labels).length === 0 ? "{}" : printSeries(labels);
}

/** 32-bit FNV-1a of a text, mixed at the end so that its remainders are even too. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
