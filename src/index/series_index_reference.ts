/** The plain twin of SeriesIndex: an array of label sets, looked at one by one. For tests. */
import { RE2JS } from "re2js";
import { compareBytewise, type Labels, labelValue } from "../model/labels.ts";
import type { Matcher, Selector, Tenant } from "../model/matcher.ts";
import type { LabelsOptions, SelectOptions } from "./series_index.ts";

interface Entry {
  readonly tenant: Tenant;
  readonly labels: Labels;
  minDay: number;
  maxDay: number;
}

export class ReferenceSeriesIndex {
  readonly #entries: Entry[] = [];

  add(tenant: Tenant, labels: Labels): number {
    return this.#entries.push({ tenant, labels, minDay: 0xffff, maxDay: 0 }) - 1;
  }

  touchDay(seriesIndex: number, day: number): void {
    const entry = this.#entries[seriesIndex];
    entry.minDay = Math.min(entry.minDay, day);
    entry.maxDay = Math.max(entry.maxDay, day);
  }

  select(tenant: Tenant, selector: Selector, options: SelectOptions = {}): number[] {
    const tests = selector.map((group) => group.map((matcher) => ({ name: matcher.name, test: testOf(matcher) })));
    const found: number[] = [];
    this.#entries.forEach((entry, seriesIndex) => {
      if (entry.tenant.accountId !== tenant.accountId || entry.tenant.projectId !== tenant.projectId) return;
      if (!tests.some((group) => group.every(({ name, test }) => test(labelValue(entry.labels, name))))) return;
      const { range } = options;
      if (range !== undefined && (entry.minDay > range.maxMs / 86_400_000 || entry.maxDay < Math.floor(range.minMs / 86_400_000))) return;
      found.push(seriesIndex);
    });
    return options.limit ? found.slice(0, options.limit) : found;
  }

  labelNames(tenant: Tenant, options: LabelsOptions = {}): string[] {
    return this.#strings(tenant, options, (labels) => labels.map((label) => label.name));
  }

  labelValues(tenant: Tenant, name: string, options: LabelsOptions = {}): string[] {
    return this.#strings(tenant, options, (labels) => labels.filter((label) => label.name === name).map((label) => label.value));
  }

  #strings(tenant: Tenant, options: LabelsOptions, stringsOf: (labels: Labels) => string[]): string[] {
    const strings = new Set<string>();
    for (const seriesIndex of this.select(tenant, options.selector ?? [[]], { range: options.range })) {
      for (const text of stringsOf(this.#entries[seriesIndex].labels)) strings.add(text);
    }
    const sorted = [...strings].sort(compareBytewise);
    return options.limit ? sorted.slice(0, options.limit) : sorted;
  }
}

function testOf(matcher: Matcher): (value: string) => boolean {
  switch (matcher.op) {
    case "=": return (value) => value === matcher.value;
    case "!=": return (value) => value !== matcher.value;
    case "=~": case "!~": {
      const regexp = RE2JS.compile(matcher.value, RE2JS.DOTALL);
      return (value) => regexp.matches(value) === (matcher.op === "=~");
    }
  }
}
