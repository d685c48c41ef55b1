/** Finds in a message of a server where in the query the error is. */

/** A place in a query; both count from 1, as people do. */
export interface ErrorPosition {
  readonly line: number;
  readonly column: number;
}

const patterns: readonly RegExp[] = [
  /\bat line (?<line>\d+),? column (?<column>\d+)/, // Tidemark
  /\b(?<line>\d+):(?<column>\d+): parse error/, // Prometheus
  /\bat char (?<column>\d+)\b/, // Prometheus before 2.16
];

/** The position that a message names, or undefined. */
export function findErrorPosition(message: string): ErrorPosition | undefined {
  for (const pattern of patterns) {
    const groups = pattern.exec(message)?.groups;
    if (groups !== undefined) return { line: Number(groups.line ?? 1), column: Number(groups.column) };
  }
  return undefined;
}

/** The 0-based offset of a position in `text`, moved into the text if it lies outside. */
export function offsetOfPosition(text: string, position: ErrorPosition): number {
  let lineStart = 0;
  for (let line = 1; line < position.line; line++) {
    const lineEnd = text.indexOf("\n", lineStart);
    if (lineEnd < 0) return text.length;
    lineStart = lineEnd + 1;
  }
  return Math.min(text.length, lineStart + Math.max(0, position.column - 1));
}
