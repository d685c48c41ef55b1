/** The plain twin of the index kernels: pairs, postings and rows in arrays and a Map; sets of numbers as ascending arrays. For tests. */

/** A pair as the kernel keeps it: keys are inner Label messages as latin1 text. */
interface ReferencePair {
  readonly key: string;
  readonly name: string;
  readonly series: number[];
}

export class ReferenceIndex {
  readonly pairs: ReferencePair[] = [];
  /** Pair ids of each series, the tenant's first. */
  readonly rows: number[][] = [];
  readonly days: { minDay: number; maxDay: number }[] = [];
  /** Names in order of first sight; position 0 is the tenants'. */
  readonly names: string[] = [""];
  readonly #pairIds = new Map<string, number>();

  /** Registers the series of (name, value) labels, given as latin1 texts. */
  addSeries(labels: readonly (readonly [name: string, value: string])[], accountId: number, projectId: number): void {
    const tenant = Buffer.alloc(10);
    tenant.set([0x12, 8]);
    tenant.writeUInt32LE(accountId, 2);
    tenant.writeUInt32LE(projectId, 6);
    const seriesIndex = this.rows.length;
    const row = [this.#pairId(tenant.toString("latin1"), undefined)];
    for (const [name, value] of labels) row.push(this.#pairId(labelKey(name, value), name));
    for (const pairId of row) this.pairs[pairId].series.push(seriesIndex);
    this.rows.push(row);
    this.days.push({ minDay: 0xffff, maxDay: 0 });
  }

  touchDay(seriesIndex: number, day: number): void {
    const range = this.days[seriesIndex];
    range.minDay = Math.min(range.minDay, day);
    range.maxDay = Math.max(range.maxDay, day);
  }

  #pairId(key: string, name: string | undefined): number {
    const known = this.#pairIds.get(key);
    if (known !== undefined) return known;
    if (name !== undefined && !this.names.includes(name, 1)) this.names.push(name);
    const pairId = this.pairs.push({ key, name: name ?? "", series: [] }) - 1;
    this.#pairIds.set(key, pairId);
    return pairId;
  }
}

/** The inner Label message of a pair, latin1. */
export function labelKey(name: string, value: string): string {
  return `\x0a${varint(name.length)}${name}\x12${varint(value.length)}${value}`;
}

/** The label run of labels, latin1. */
export function labelRunOf(labels: readonly (readonly [name: string, value: string])[]): string {
  return labels.map(([name, value]) => labelKey(name, value)).map((key) => `\x0a${varint(key.length)}${key}`).join("");
}

function varint(value: number): string {
  return value < 128 ? String.fromCharCode(value) : String.fromCharCode((value & 127) | 128) + varint(value >>> 7);
}

/** What is in both lists. */
export function intersectLists(left: readonly number[], right: readonly number[]): number[] {
  const set = new Set(right);
  return left.filter((item) => set.has(item));
}

/** What is in one of the lists. */
export function uniteLists(left: readonly number[], right: readonly number[]): number[] {
  return [...new Set([...left, ...right])].sort((a, b) => a - b);
}

/** What is in the left list only. */
export function subtractLists(left: readonly number[], right: readonly number[]): number[] {
  const set = new Set(right);
  return left.filter((item) => !set.has(item));
}
