/**
 * The plain twin of a store in simulations: which samples were written, which of them were acknowledged, and which a power cut or a damaged file may
 * take. Every sample has a value of its own, so that an answer tells what is missing, what is there too often, and what nobody wrote.
 */
import assert from "node:assert/strict";
import { type Labels, labelsToRecord } from "../src/model/labels.ts";
import type { Tenant } from "../src/model/matcher.ts";
import type { SeriesBatch, TimeRange } from "../src/model/store.ts";

export interface ModelSeries {
  readonly key: string;
  readonly tenant: Tenant;
  readonly labels: Labels;
  readonly record: Readonly<Record<string, string>>;
  /** Values of the series are multiples of it: whole numbers, decimals, and such that are neither. */
  readonly factor: number;
  /** Files that told about the series when they were damaged: samples that come later depend on them, too. */
  damage: readonly Damage[];
}

export interface ModelSample {
  readonly value: number;
  readonly series: ModelSeries;
  readonly timestampMs: number;
  /** How often it was handed to the store, and how often that was acknowledged; the store has it this often, or something between. */
  attempts: number;
  acknowledged: number;
  /** So many of them survive a power cut. */
  durable: number;
  /** The last acknowledgement. */
  acknowledgedMs: number;
  /** Files that held it when they were damaged. */
  damage: readonly Damage[];
}

/** A file that was damaged on purpose. */
export interface Damage {
  readonly path: string;
  /** Samples may come back a second time: what tells which of them are in parts was damaged. */
  readonly mayRepeat: boolean;
  /** Whether the store has reported it. */
  isReported(): boolean;
}

/** What is asked for: a part of a tenant's series, in a range of time. */
export interface ModelQuery {
  readonly tenant: Tenant;
  readonly range: TimeRange;
  matches(series: ModelSeries): boolean;
}

const factors = [1, 0.01, Math.PI, 1000, 2 ** -20];

export function seriesKey({ accountId, projectId }: Tenant, labels: Labels): string {
  return `${accountId}:${projectId}${JSON.stringify(labels)}`;
}

export class StoreModel {
  readonly #retentionMs: number;
  readonly series = new Map<string, ModelSeries>();
  readonly samples = new Map<number, ModelSample>();
  #nextNumber = 1;

  constructor(retentionMs: number) {
    this.#retentionMs = retentionMs;
  }

  seriesOf(tenant: Tenant, labels: Labels): ModelSeries {
    const key = seriesKey(tenant, labels);
    let series = this.series.get(key);
    if (series === undefined) this.series.set(key, (series = { key, tenant, labels, record: labelsToRecord(labels), factor: factors[this.series.size % factors.length], damage: [] }));
    return series;
  }

  /** A sample with a value that no other has. */
  newSample(series: ModelSeries, timestampMs: number): ModelSample {
    let value = this.#nextNumber++ * series.factor;
    while (this.samples.has(value)) value = this.#nextNumber++ * series.factor;
    const sample: ModelSample = { value, series, timestampMs, attempts: 0, acknowledged: 0, durable: 0, acknowledgedMs: 0, damage: series.damage };
    this.samples.set(value, sample);
    return sample;
  }

  /** What an answer to the query must hold at least, if it is given now. */
  required(query: ModelQuery, nowMs: number): ReadonlyMap<ModelSample, number> {
    const required = new Map<ModelSample, number>();
    for (const sample of this.samples.values()) if (sample.acknowledged > 0 && this.#isWanted(query, sample, nowMs)) required.set(sample, sample.acknowledged);
    return required;
  }

  isExpired({ timestampMs }: ModelSample, nowMs: number): boolean {
    return timestampMs < nowMs - this.#retentionMs;
  }

  #isWanted({ tenant, range, matches }: ModelQuery, sample: ModelSample, nowMs: number): boolean {
    const { series, timestampMs } = sample;
    return timestampMs >= range.minMs && timestampMs <= range.maxMs && series.tenant === tenant && !this.isExpired(sample, nowMs) && matches(series);
  }

  /** What was acknowledged in this time survives a power cut from now on. */
  makeDurable(fromMs: number, toMs: number): void {
    for (const sample of this.samples.values()) if (sample.acknowledgedMs >= fromMs && sample.acknowledgedMs <= toMs) sample.durable = sample.acknowledged;
  }

  /** The power goes: what is not durable may be lost. */
  losePower(): void {
    for (const sample of this.samples.values()) sample.acknowledged = Math.min(sample.acknowledged, sample.durable);
  }

  /**
   * A store that has just been opened answered with `found`: nothing else will ever be there. If `isKept`, what is there stays, and if `isSynced`, power
   * cuts do not take it either. Only called when no write is under way.
   */
  settle(found: ReadonlyMap<ModelSample, number>, nowMs: number, isKept: boolean, isSynced: boolean): void {
    for (const sample of this.samples.values()) {
      if (this.isExpired(sample, nowMs)) continue;
      const count = found.get(sample) ?? 0;
      sample.acknowledged = isKept ? count : Math.min(sample.acknowledged, count);
      sample.durable = Math.min(isSynced ? count : sample.durable, count);
      if (isKept && sample.damage.length === 0) sample.attempts = count;
    }
  }
}

/** What an answer has given so far, checked sample by sample. */
export class ModelAnswer {
  readonly #model: StoreModel;
  readonly #query: ModelQuery;
  readonly #series = new Set<ModelSeries>();
  readonly found = new Map<ModelSample, number>();

  constructor(model: StoreModel, query: ModelQuery) {
    this.#model = model;
    this.#query = query;
  }

  take(batch: SeriesBatch): void {
    const { tenant, range, matches } = this.#query;
    for (let i = 0; i < batch.seriesCount; i++) {
      const from = batch.sampleFrom[i];
      const to = batch.sampleFrom[i + 1];
      if (from === to) continue;
      const series = this.#model.series.get(seriesKey(tenant, batch.labels(i)));
      if (series === undefined) assert.fail(`nobody wrote ${JSON.stringify(batch.labels(i))}`);
      if (!matches(series)) assert.fail(`${series.key} was not asked for`);
      if (this.#series.has(series)) assert.fail(`${series.key} comes twice in one answer`);
      this.#series.add(series);
      let previousMs = range.minMs;
      for (let k = from; k < to; k++) {
        const timestampMs = batch.timestampsMs[k];
        const sample = this.#model.samples.get(batch.values[k]);
        if (sample?.series !== series || sample.timestampMs !== timestampMs) this.#foreign(series, timestampMs, batch.values[k], sample);
        if (timestampMs < previousMs || timestampMs > range.maxMs) assert.fail(`${series.key}: ${timestampMs} is out of order or range`);
        previousMs = timestampMs;
        this.found.set(sample, (this.found.get(sample) ?? 0) + 1);
      }
    }
  }

  #foreign(series: ModelSeries, timestampMs: number, value: number, sample: ModelSample | undefined): never {
    const written = sample === undefined ? "was never written" : `was written as ${describeSample(sample)}`;
    assert.fail(`${series.key} has ${value} at ${timestampMs}, which ${written}`);
  }

  /** The answer is whole: nothing is missing that is required, nothing is there more often than it was written. Returns how many are missing by damage. */
  check(required: ReadonlyMap<ModelSample, number>, nowMs: number): number {
    let damaged = 0;
    for (const [sample, count] of required) {
      if ((this.found.get(sample) ?? 0) >= count || this.#model.isExpired(sample, nowMs)) continue;
      damaged++;
      const { damage } = sample;
      if (damage.length === 0) assert.fail(`lost ${describeSample(sample)}: ${count} times acknowledged, ${this.found.get(sample) ?? 0} times there`);
      if (!damage.some((file) => file.isReported())) assert.fail(`lost ${describeSample(sample)}, and nobody reported the damage of ${damage.map(({ path }) => path).join()}`);
    }
    this.checkRepeats();
    return damaged;
  }

  /** Nothing is there more often than it was written. */
  checkRepeats(): void {
    for (const [sample, count] of this.found) {
      if (count > sample.attempts && !sample.damage.some(({ mayRepeat }) => mayRepeat)) assert.fail(`${describeSample(sample)} was written ${sample.attempts} times and is there ${count} times`);
    }
  }
}

export function describeSample({ value, series, timestampMs }: ModelSample): string {
  return `${value} at ${timestampMs} of ${series.key}`;
}
