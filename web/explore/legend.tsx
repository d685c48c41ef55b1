/** The series below the graph: statistics, filter, and a click shows one alone. */
import type { JSX } from "preact";
import { Icon } from "../icon.tsx";
import { printExact, printShort } from "../number_text.ts";
import { printSeries } from "../series_name.ts";
import { text } from "../text.ts";
import { VirtualTable, compareNumbers, compareTexts } from "../virtual_table.tsx";
import type { Column } from "../virtual_table.tsx";
import type { GraphData, GraphSeries } from "./graph_data.ts";
import type { GraphView } from "./graph_view.ts";
import { queryLetter } from "./query_letter.ts";
import { shortName, toggleIsolated } from "./selection.ts";
import { Swatch } from "./swatch.tsx";

interface LegendProps {
  readonly data: GraphData;
  readonly filtered: readonly GraphSeries[];
  readonly view: GraphView;
}

/** See the top of the file. */
export function Legend({ data, filtered, view }: LegendProps): JSX.Element {
  const { isolated } = view;
  const common = printSeries(data.common);
  return (
    <div class="legend">
      <div class="legend-bar">
        <span class="legend-count">{text.legend.shown(filtered.length, data.series.length)}</span>
        {common !== "" && (
          <span class="legend-common">
            {text.legend.common} <code>{common}</code>
          </span>
        )}
        <span class="spacer" />
        <span class="hint wide-only">{text.graph.hint}</span>
        {isolated.value.size > 0 && (
          <button type="button" class="button small" onClick={() => (isolated.value = new Set())}>
            {text.legend.showAll}
          </button>
        )}
        {data.series.length > 5 && (
          <label class="search">
            <Icon name="search" />
            <span class="visually-hidden">{text.legend.filter}</span>
            <input class="input" type="search" placeholder={text.legend.filter} value={view.filter.value} onInput={(event) => (view.filter.value = event.currentTarget.value)} />
          </label>
        )}
      </div>
      {filtered.length === 0 ? (
        <p class="hint">{text.legend.noMatch}</p>
      ) : (
        <VirtualTable
          label={text.legend.label}
          columns={columnsOf(data, view)}
          rows={filtered}
          rowKey={({ key }) => key}
          rowClass={({ key }) => (isolated.value.size > 0 && !isolated.value.has(key) ? "dimmed" : "")}
          onRowEnter={(series) => (view.focusedKey.value = series?.key)}
          maxHeightPx={312}
          minWidthPx={520}
        />
      )}
    </div>
  );
}

function columnsOf(data: GraphData, view: GraphView): Column<GraphSeries>[] {
  const isMixed = data.series.some(({ queryIndex }) => queryIndex !== data.series[0].queryIndex);
  const name: Column<GraphSeries> = {
    key: "series",
    title: text.legend.series,
    cell: (series) => <NameCell series={series} name={shortName(series, data)} letter={isMixed ? queryLetter(series.queryIndex) : undefined} view={view} />,
    compare: (left, right) => compareTexts(left.key, right.key),
  };
  return [name, statistic("last"), statistic("min"), statistic("max"), statistic("avg")];
}

function statistic(key: "last" | "min" | "max" | "avg"): Column<GraphSeries> {
  return {
    key,
    title: text.legend[key],
    width: "84px",
    isNumber: true,
    cell: (series) => (Number.isNaN(series[key]) ? "" : <span title={printExact(series[key])}>{printShort(series[key])}</span>),
    compare: (left, right) => compareNumbers(left[key], right[key]),
  };
}

interface NameCellProps {
  readonly series: GraphSeries;
  readonly name: string;
  readonly letter: string | undefined;
  readonly view: GraphView;
}

function NameCell({ series, name, letter, view }: NameCellProps): JSX.Element {
  const { isolated } = view;
  const onClick = (event: MouseEvent): void => {
    isolated.value = toggleIsolated(isolated.value, series.key, event.ctrlKey || event.metaKey);
  };
  return (
    <button type="button" class="series-button" aria-pressed={isolated.value.has(series.key)} title={`${series.name || "{}"}\n${text.legend.isolate}`} onClick={onClick}>
      <Swatch color={series.color} />
      {letter !== undefined && <span class="letter">{letter}</span>}
      <span class="series-name">{name}</span>
    </button>
  );
}
