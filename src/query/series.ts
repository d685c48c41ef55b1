/** One series on the grid, and what operators do to its labels. Label sets are immutable and shared. */
import { compareBytewise, type Label, type Labels, metricNameLabel } from "../model/labels.ts";
import type { Column } from "./column_pool.ts";

export interface Series {
  readonly labels: Labels;
  readonly values: Column;
}

export const noLabels: Labels = [];

/** A string that equal label sets share and others do not. */
export function labelsKey(labels: Labels): string {
  let key = "";
  for (const { name, value } of labels) key += `${name.length}:${name}${value.length}:${value}`;
  return key;
}

export function withoutName(labels: Labels): Labels {
  return dropLabel(labels, metricNameLabel);
}

/** The labels without `name`; the same array if there is none. */
export function dropLabel(labels: Labels, name: string): Labels {
  // The metric name is mostly the first one.
  if (labels.length > 0 && labels[0].name === name) return labels.slice(1);
  for (let i = 1; i < labels.length; i++) if (labels[i].name === name) return labels.toSpliced(i, 1);
  return labels;
}

export function dropLabels(labels: Labels, names: ReadonlySet<string>): Labels {
  return labels.some((label) => names.has(label.name)) ? labels.filter((label) => !names.has(label.name)) : labels;
}

export function keepLabels(labels: Labels, names: ReadonlySet<string>): Labels {
  return labels.filter((label) => names.has(label.name));
}

/** The labels with `name` set to `value`, or without it if the value is empty. */
export function setLabel(labels: Labels, name: string, value: string): Labels {
  const result: Label[] = [];
  let isPlaced = value === "";
  for (const label of labels) {
    if (!isPlaced && compareBytewise(name, label.name) <= 0) {
      result.push({ name, value });
      isPlaced = true;
    }
    if (label.name !== name) result.push(label);
  }
  if (!isPlaced) result.push({ name, value });
  return result;
}

/** Whether a vector is what MetricsQL takes for a scalar: one series without labels. */
export function isScalarVector(vector: readonly Series[]): boolean {
  return vector.length === 1 && vector[0].labels.length === 0;
}

/** `{a="b", c="d"}`, for messages. */
export function printLabels(labels: Labels): string {
  return `{${labels.map(({ name, value }) => `${name}=${JSON.stringify(value)}`).join(", ")}}`;
}

/** Orders by metric name, then by the other labels, as results are sorted. */
export function compareSeriesLabels(left: Labels, right: Labels): number {
  const leftName = metricNameOf(left);
  const rightName = metricNameOf(right);
  if (leftName !== rightName) return compareBytewise(leftName, rightName);
  let i = 0;
  let j = 0;
  for (;;) {
    if (i < left.length && left[i].name === metricNameLabel) i++;
    if (j < right.length && right[j].name === metricNameLabel) j++;
    if (i >= left.length || j >= right.length) return left.length - i - (right.length - j);
    const order = compareBytewise(left[i].name, right[j].name) || compareBytewise(left[i].value, right[j].value);
    if (order !== 0) return order;
    i++;
    j++;
  }
}

function metricNameOf(labels: Labels): string {
  for (const label of labels) if (label.name === metricNameLabel) return label.value;
  return "";
}
