/** The plain twins of the kernels for searches in index segments: rows are arrays of pair ids. For tests. */

/** Rows of the list that have (or have not) one of the pairs. */
export function filterRows(rows: readonly (readonly number[])[], list: readonly number[], pairs: ReadonlySet<number>, wanted: boolean): number[] {
  return list.filter((row) => rows[row].some((pair) => pairs.has(pair)) === wanted);
}

/** All pairs of the rows of the list, ascending. */
export function collectPairs(rows: readonly (readonly number[])[], list: readonly number[]): number[] {
  return [...new Set(list.flatMap((row) => rows[row]))].sort((a, b) => a - b);
}

/** The position of the first equal item for each. */
export function joinEqual(items: readonly string[]): number[] {
  return items.map((item) => items.indexOf(item));
}

/** Whether the numbers are ascending numbers of rows. */
export function areRows(numbers: readonly number[], rowCount: number): boolean {
  return numbers.every((row, i) => Number.isInteger(row) && row >= 0 && row < rowCount && (i === 0 || numbers[i - 1] < row));
}
