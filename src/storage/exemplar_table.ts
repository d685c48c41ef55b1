/**
 * Exemplars: the newest few of each series, and a limited number over all series, of which the ones that came first go first. As with
 * metadata (metadata_table.ts) each new one is a log record, and a checkpoint writes the whole table again, so the log is the only
 * place where they are kept on disk. Texts are held as strings of bytes (latin1), which are smaller than objects.
 */
import type { Exemplar, SeriesExemplar } from "../model/exemplar.ts";
import { compareLabels, decodeLabelRun, encodeLabelRun, type Labels, labelValue, metricNameLabel } from "../model/labels.ts";
import { defaultTenant, type Selector } from "../model/matcher.ts";
import { compileMatcher } from "../model/regexp.ts";
import type { ExemplarRequest, SeriesExemplars } from "../model/store.ts";
import { encodeLogExemplars, type LogExemplar, visitLogExemplars } from "./log_payload.ts";

export interface ExemplarLimits {
  /** -storage.exemplarsPerSeries */
  readonly perSeriesMax: number;
  /** -storage.maxExemplars; 0: none are kept. */
  readonly totalMax: number;
}

export const defaultExemplarLimits: ExemplarLimits = { perSeriesMax: 100, totalMax: 100_000 };

/** A record holds about so many bytes. */
const recordBytesMax = 1 << 20;
/** Series looked at between two turns of the event loop. */
const sliceCount = 4096;

interface Stored {
  readonly series: StoredSeries;
  /** The label run of the exemplar. */
  readonly labels: string;
  readonly value: number;
  readonly timestampMs: number;
  isDropped: boolean;
}

interface StoredSeries {
  readonly run: string;
  readonly name: string;
  /** Ascending in time. */
  readonly exemplars: Stored[];
}

export class ExemplarTable {
  readonly #limits: ExemplarLimits;
  readonly #byRun = new Map<string, StoredSeries>();
  readonly #byName = new Map<string, Set<StoredSeries>>();
  /** In the order they came, some of them dropped since. */
  #queue: Stored[] = [];
  #queueFrom = 0;
  #count = 0;

  constructor(limits: ExemplarLimits = defaultExemplarLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#count;
  }

  /** Remembers exemplars; returns log records of those that are new. */
  put(exemplars: readonly SeriesExemplar[]): Uint8Array {
    const added: LogExemplar[] = [];
    for (const exemplar of exemplars) {
      const entry = { labelRun: exemplar.labelRun, exemplarRun: encodeLabelRun(exemplar.labels), value: exemplar.value, timestampMs: exemplar.timestampMs };
      if (this.#add(entry)) added.push(entry);
    }
    return encodeRecords(added);
  }

  /** Takes over the payload of a record. */
  replay(payload: Uint8Array): void {
    visitLogExemplars(payload, (_, entry) => this.#add(entry));
  }

  /** All of them from `minMs` on as log records; older ones are dropped. */
  encode(minMs: number): Uint8Array {
    const entries: LogExemplar[] = [];
    for (const stored of this.#queue.slice(this.#queueFrom)) {
      if (stored.isDropped) continue;
      if (stored.timestampMs < minMs) this.#drop(stored);
      else entries.push({ labelRun: Buffer.from(stored.series.run, "latin1"), exemplarRun: Buffer.from(stored.labels, "latin1"), value: stored.value, timestampMs: stored.timestampMs });
    }
    return encodeRecords(entries);
  }

  /** See Store.exemplars. */
  async select({ selector, range, signal }: ExemplarRequest): Promise<SeriesExemplars[]> {
    const matches = compileSelector(selector);
    const found: SeriesExemplars[] = [];
    let looked = 0;
    for (const series of this.#candidates(selector)) {
      if (++looked % sliceCount === 0) {
        await nextTurn();
        signal?.throwIfAborted();
      }
      const labels = decodeText(series.run);
      if (!matches(labels)) continue;
      const exemplars = series.exemplars.filter(({ timestampMs }) => timestampMs >= range.minMs && timestampMs <= range.maxMs);
      if (exemplars.length > 0) found.push({ labels, exemplars: exemplars.map(describe) });
    }
    return found.sort((a, b) => compareLabels(a.labels, b.labels));
  }

  /** Series that may match: those with the metric names that are asked for, if each group asks for one. */
  #candidates(selector: Selector): Iterable<StoredSeries> {
    const names = selector.map((group) => group.find(({ name, op, value }) => name === metricNameLabel && op === "=" && value !== "")?.value);
    if (names.includes(undefined)) return [...this.#byRun.values()];
    return [...new Set(names)].flatMap((name) => [...(this.#byName.get(name!) ?? [])]);
  }

  /** False if it is known already, or older than all that a full series has. */
  #add({ labelRun, exemplarRun, value, timestampMs }: LogExemplar): boolean {
    if (this.#limits.totalMax === 0) return false;
    const labels = toText(exemplarRun);
    const series = this.#seriesOf(toText(labelRun));
    const { exemplars } = series;
    const newest = exemplars.at(-1);
    const isKnown = newest !== undefined && ((newest.labels === labels && newest.value === value) || exemplars.some((one) => one.timestampMs === timestampMs && one.labels === labels && one.value === value));
    if (isKnown || (exemplars.length >= this.#limits.perSeriesMax && timestampMs < exemplars[0].timestampMs)) return false;
    const stored: Stored = { series, labels, value, timestampMs, isDropped: false };
    let at = exemplars.length;
    while (at > 0 && exemplars[at - 1].timestampMs > timestampMs) at--;
    exemplars.splice(at, 0, stored);
    this.#queue.push(stored);
    this.#count++;
    if (exemplars.length > this.#limits.perSeriesMax) this.#drop(exemplars[0]);
    while (this.#count > this.#limits.totalMax) this.#dropFirst();
    this.#tidyQueue();
    return true;
  }

  #seriesOf(run: string): StoredSeries {
    let series = this.#byRun.get(run);
    if (series !== undefined) return series;
    series = { run, name: labelValue(decodeText(run), metricNameLabel), exemplars: [] };
    this.#byRun.set(run, series);
    const named = this.#byName.get(series.name);
    if (named === undefined) this.#byName.set(series.name, new Set([series]));
    else named.add(series);
    return series;
  }

  #dropFirst(): void {
    while (this.#queue[this.#queueFrom].isDropped) this.#queueFrom++;
    this.#drop(this.#queue[this.#queueFrom++]);
  }

  #drop(stored: Stored): void {
    const { series } = stored;
    stored.isDropped = true;
    this.#count--;
    series.exemplars.splice(series.exemplars.indexOf(stored), 1);
    if (series.exemplars.length > 0) return;
    this.#byRun.delete(series.run);
    const named = this.#byName.get(series.name);
    named?.delete(series);
    if (named?.size === 0) this.#byName.delete(series.name);
  }

  #tidyQueue(): void {
    if (this.#queue.length <= 2 * this.#count + 1024) return;
    this.#queue = this.#queue.slice(this.#queueFrom).filter(({ isDropped }) => !isDropped);
    this.#queueFrom = 0;
  }
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function decodeText(run: string): Labels {
  return decodeLabelRun(Buffer.from(run, "latin1"), 0, run.length);
}

function describe({ labels, value, timestampMs }: Stored): Exemplar {
  return { labels: decodeText(labels), value, timestampMs };
}

function compileSelector(selector: Selector): (labels: Labels) => boolean {
  const compiled = selector.map((group) => group.map(({ name, op, value }) => ({ name, matches: compileMatcher(op, value) })));
  return (labels) => compiled.some((group) => group.every(({ name, matches }) => matches(labelValue(labels, name))));
}

function encodeRecords(entries: readonly LogExemplar[]): Uint8Array {
  const records: Uint8Array[] = [];
  for (let from = 0; from < entries.length; ) {
    let [to, sizeBytes] = [from, 0];
    while (to < entries.length && sizeBytes < recordBytesMax) {
      sizeBytes += entries[to].labelRun.length + entries[to].exemplarRun.length + 40;
      to++;
    }
    records.push(encodeLogExemplars(defaultTenant, entries.slice(from, to)));
    from = to;
  }
  return records.length === 1 ? records[0] : Buffer.concat(records);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
