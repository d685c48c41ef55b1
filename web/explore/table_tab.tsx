/** The values at the end of the range as a table: one column per label that differs. */
import type { JSX } from "preact";
import type { Series } from "../../client/index.ts";
import { Icon } from "../icon.tsx";
import { printExact } from "../number_text.ts";
import { timeZone } from "../preferences.ts";
import { commonLabels, printSeries } from "../series_name.ts";
import type { Labels } from "../series_name.ts";
import { text } from "../text.ts";
import { printTime } from "../time_text.ts";
import { VirtualTable, compareNumbers, compareTexts } from "../virtual_table.tsx";
import type { Column } from "../virtual_table.tsx";
import { printCsv } from "./csv.ts";
import type { ExploreResult } from "./explore_session.ts";
import { queryLetter } from "./query_letter.ts";

interface TableRow {
  readonly key: string;
  readonly queryIndex: number;
  readonly labels: Labels;
  readonly series: Series;
  readonly value: number;
  /** What stands in the value column. */
  readonly valueText: string;
}

/** See the top of the file. */
export function TableTab({ result }: { readonly result: ExploreResult }): JSX.Element {
  const rows = rowsOf(result);
  const common = rows.length > 1 ? commonLabels(rows.map(({ labels }) => labels)) : {};
  const names = [...new Set(rows.flatMap(({ labels }) => Object.keys(labels)))].filter((name) => common[name] === undefined);
  const labelNames = names.filter((name) => name !== "__name__").sort();
  const isMixed = new Set(rows.map(({ queryIndex }) => queryIndex)).size > 1;
  const columns = [...(isMixed ? [queryColumn] : []), ...(names.includes("__name__") ? [labelColumn("__name__", text.table.metric)] : []), ...labelNames.map((name) => labelColumn(name, name)), valueColumn];
  const commonText = printSeries(common);
  return (
    <div class="legend">
      <div class="legend-bar">
        <span class="legend-count">{text.table.at(printTime(rows[0]?.series.timestampsMs.at(-1) ?? result.grid.toMs, timeZone.value))}</span>
        {commonText !== "" && (
          <span class="legend-common">
            {text.legend.common} <code>{commonText}</code>
          </span>
        )}
        <span class="spacer" />
        <button type="button" class="button small" onClick={() => downloadCsv(rows)}>
          <Icon name="download" />
          {text.table.csv}
        </button>
      </div>
      <VirtualTable label={text.table.label} columns={columns} rows={rows} rowKey={({ key }) => key} maxHeightPx={26 * 24} minWidthPx={80 + columns.length * 90} maxWidthPx={Math.max(640, columns.length * 280)} />
    </div>
  );
}

function rowsOf(result: ExploreResult): TableRow[] {
  return result.outcomes.flatMap(({ answer }, queryIndex) =>
    (answer?.series ?? []).map((series) => {
      const value = series.values.at(-1) ?? Number.NaN;
      const exact = answer!.text ?? printExact(value);
      const valueText = series.values.length > 1 ? `${text.table.samples(series.values.length)} ${exact}` : exact;
      return { key: `${queryIndex} ${printSeries(series.labels)}`, queryIndex, labels: series.labels, series, value, valueText };
    }),
  );
}

const queryColumn: Column<TableRow> = {
  key: "\0query",
  title: text.table.query,
  width: "72px",
  cell: ({ queryIndex }) => <span class="letter">{queryLetter(queryIndex)}</span>,
  compare: (left, right) => left.queryIndex - right.queryIndex,
};

const valueColumn: Column<TableRow> = {
  key: "\0value",
  title: text.table.value,
  width: "170px",
  isNumber: true,
  cell: ({ valueText }) => valueText,
  compare: (left, right) => compareNumbers(left.value, right.value),
};

function labelColumn(name: string, title: string): Column<TableRow> {
  return {
    key: name,
    title,
    cell: ({ labels }) => <span title={labels[name]}>{labels[name]}</span>,
    compare: (left, right) => compareTexts(left.labels[name] ?? "", right.labels[name] ?? ""),
  };
}

function downloadCsv(rows: readonly TableRow[]): void {
  const csv = printCsv(rows.map(({ labels, series, value }) => ({ labels, timeMs: series.timestampsMs.at(-1) ?? 0, value })));
  const url = URL.createObjectURL(new Blob([csv], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = "tidemark.csv";
  link.click();
  URL.revokeObjectURL(url);
}
