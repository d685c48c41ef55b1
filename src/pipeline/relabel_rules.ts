/**
 * A compiled list of relabeling rules. Rules are applied in order to the labels of one series or target, which are a map meanwhile;
 * after a rule has dropped it the rest is not looked at.
 */
import { compareBytewise, type Label, type Labels, metricNameLabel } from "../model/labels.ts";
import type { RelabelStep } from "./relabel_action.ts";
import type { LabelMap } from "./replacement_template.ts";

export class RelabelRules {
  readonly #steps: readonly RelabelStep[];
  /** The rules as data in JSON: equal texts are equal rules. */
  readonly source: string;

  constructor(steps: readonly RelabelStep[], source: string) {
    this.#steps = steps;
    this.source = source;
  }

  get isEmpty(): boolean {
    return this.#steps.length === 0;
  }

  /** Changes the labels in place; false: dropped. */
  apply(labels: LabelMap): boolean {
    for (const step of this.#steps) {
      if (!step(labels)) return false;
    }
    return labels.size > 0;
  }

  /** These rules and then others. */
  concat(others: RelabelRules): RelabelRules {
    if (this.isEmpty) return others;
    if (others.isEmpty) return this;
    return new RelabelRules([...this.#steps, ...others.#steps], `${this.source}${others.source}`);
  }
}

export const noRelabelRules = new RelabelRules([], "[]");

/** Removes the labels that only relabeling sees: all that begin with `__`, but for the metric name. */
export function dropInternalLabels(labels: LabelMap): void {
  for (const name of labels.keys()) if (name.startsWith("__") && name !== metricNameLabel) labels.delete(name);
}

export function labelMapOf(labels: Labels): LabelMap {
  return new Map(labels.map(({ name, value }) => [name, value]));
}

/** Sorted labels, without empty values. */
export function labelsOfMap(map: LabelMap): Labels {
  const labels: Label[] = [];
  for (const [name, value] of map) if (value !== "") labels.push({ name, value });
  return labels.sort((a, b) => compareBytewise(a.name, b.name));
}
