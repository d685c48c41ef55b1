/** What operators do to the labels of a series: names that are dropped, series that become one. */
import { InputError } from "../base/errors.ts";
import { type Labels, labelValue, metricNameLabel } from "../model/labels.ts";
import { labelsKey } from "../query/series.ts";
import type { PromContext } from "./context.ts";
import { noPoint, type PromSeries, SeriesBuilder } from "./vector.ts";

/** Labels that say what a metric is; operations that change its meaning drop them. */
export const metadataLabels: ReadonlySet<string> = new Set([metricNameLabel, "__type__", "__unit__"]);

export function metricNameOf(labels: Labels): string {
  return labelValue(labels, metricNameLabel);
}

export function withoutMetadata(labels: Labels): Labels {
  return labels.some(({ name }) => metadataLabels.has(name)) ? labels.filter(({ name }) => !metadataLabels.has(name)) : labels;
}

/** The labels of a result that is no longer the metric it was computed from. */
export function namelessLabels(context: PromContext, labels: Labels): Labels {
  return context.delaysNameRemoval ? labels : withoutMetadata(labels);
}

/**
 * Series with the same labels as one. They may follow each other in time, as it happens when a name is dropped; two at the same
 * time are an error.
 */
export function mergeSameLabels(series: readonly PromSeries[]): readonly PromSeries[] {
  const byKey = new Map<string, PromSeries>();
  const merged = new Map<string, SeriesBuilder>();
  for (const one of series) {
    const key = labelsKey(one.labels);
    const first = byKey.get(key);
    if (first === undefined) {
      byKey.set(key, one);
      continue;
    }
    let builder = merged.get(key);
    if (builder === undefined) {
      builder = new SeriesBuilder(one.labels, one.values.length, one.dropsName);
      addPoints(builder, first);
      merged.set(key, builder);
      byKey.set(key, builder);
    }
    addPoints(builder, one);
  }
  return byKey.size === series.length ? series : [...byKey.values()];
}

function addPoints(target: SeriesBuilder, source: PromSeries): void {
  for (let point = 0; point < source.present.length; point++) {
    if (source.present[point] === noPoint) continue;
    if (target.present[point] !== noPoint) throw sameLabelsError();
    target.copyPoint(point, source);
  }
}

/** mergeSameLabels of what is left of `sources` without their metadata: nothing to do where they all have the same. */
export function mergeNameless(sources: readonly PromSeries[], nameless: readonly PromSeries[]): readonly PromSeries[] {
  return haveSameMetadata(sources.map(({ labels }) => labels)) ? nameless : mergeSameLabels(nameless);
}

/** Whether all label sets have the same name, type and unit. */
export function haveSameMetadata(all: readonly Labels[]): boolean {
  return all.every((labels) => haveEqualMetadata(labels, all[0]));
}

function haveEqualMetadata(left: Labels, right: Labels): boolean {
  for (const name of metadataLabels) if (labelValue(left, name) !== labelValue(right, name)) return false;
  return true;
}

/** Refuses several series with the same labels, even if they follow each other. */
export function refuseSameLabels(series: readonly PromSeries[]): void {
  const keys = new Set(series.map(({ labels }) => labelsKey(labels)));
  if (keys.size < series.length) throw sameLabelsError();
}

export function sameLabelsError(): InputError {
  return new InputError("duplicate_series", "vector cannot contain metrics with the same labelset");
}

/** `{__name__="up", job="a"}`, as Prometheus prints it in messages. */
export function printSeriesLabels(labels: Labels): string {
  return `{${labels.map(({ name, value }) => `${printLabelName(name)}=${JSON.stringify(value)}`).join(", ")}}`;
}

function printLabelName(name: string): string {
  return /^[a-zA-Z_]\w*$/.test(name) ? name : JSON.stringify(name);
}
