/** The name of query 0, 1, ...: A, B, ... */
export function queryLetter(index: number): string {
  return String.fromCharCode(65 + index);
}
