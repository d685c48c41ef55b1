/**
 * A table that keeps only the rows in view in the document, so that ten thousand rows scroll as ten do. Rows have one fixed height;
 * empty rows of the right height stand for those above and below. Columns can be sorted by their headings.
 */
import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

/** A column; with `compare` it can be sorted. */
export interface Column<Row> {
  readonly key: string;
  readonly title: string;
  /** CSS width; one column without a width takes the rest. */
  readonly width?: string;
  readonly isNumber?: boolean;
  readonly cell: (row: Row, index: number) => ComponentChildren;
  readonly compare?: (left: Row, right: Row) => number;
}

/** What the table shows. */
export interface VirtualTableProps<Row> {
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  readonly rowClass?: (row: Row) => string;
  readonly onRowEnter?: (row: Row | undefined) => void;
  /** Shorter tables are as high as their rows. */
  readonly maxHeightPx: number;
  /** Below this width the table scrolls sideways. */
  readonly minWidthPx?: number;
  /** Few columns over a wide window are hard to read across. */
  readonly maxWidthPx?: number;
}

interface Order {
  readonly key: string;
  readonly isDescending: boolean;
}

const rowHeightPx = 26;
const spareRows = 8;

/** See the top of the file. */
export function VirtualTable<Row>(props: VirtualTableProps<Row>): JSX.Element {
  const { columns, rows, maxHeightPx } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const firstRow = useSignal(0);
  const order = useSignal<Order | undefined>(undefined);
  const sorted = sortRows(rows, columns, order.value);
  const visibleRows = Math.ceil(maxHeightPx / rowHeightPx);
  const from = Math.max(0, Math.min(firstRow.value, sorted.length - visibleRows) - spareRows);
  const shown = sorted.slice(from, from + visibleRows + 2 * spareRows);
  const below = sorted.length - from - shown.length;
  useLayoutEffect(() => {
    if (scroller.current!.scrollTop === 0) firstRow.value = 0;
  }, [rows]);
  const readScroll = (): void => {
    // In steps, so that most scrolling changes nothing in the document.
    firstRow.value = Math.floor(scroller.current!.scrollTop / rowHeightPx / 4) * 4;
  };
  return (
    <div class="table-scroll" ref={scroller} onScroll={readScroll} style={{ maxHeight: `${maxHeightPx + rowHeightPx + 2}px` }} tabIndex={0} role="region" aria-label={props.label}>
      <table class="table" aria-rowcount={sorted.length + 1} style={{ minWidth: `${props.minWidthPx ?? 0}px`, maxWidth: props.maxWidthPx === undefined ? "none" : `${props.maxWidthPx}px` }} onMouseLeave={() => props.onRowEnter?.(undefined)}>
        <colgroup>{columns.map(({ key, width }) => <col key={key} style={{ width: width ?? "auto" }} />)}</colgroup>
        <thead>
          <tr aria-rowindex={1}>{columns.map((column) => <Heading key={column.key} column={column} order={order.value} onSort={(next) => (order.value = next)} />)}</tr>
        </thead>
        <tbody>
          {from > 0 && <SpaceRow rows={from} columns={columns.length} />}
          {shown.map((row, i) => (
            <tr key={props.rowKey(row)} aria-rowindex={from + i + 2} class={props.rowClass?.(row)} onMouseEnter={() => props.onRowEnter?.(row)}>
              {columns.map(({ key, isNumber, cell }) => <td key={key} class={isNumber === true ? "number" : undefined}>{cell(row, from + i)}</td>)}
            </tr>
          ))}
          {below > 0 && <SpaceRow rows={below} columns={columns.length} />}
        </tbody>
      </table>
    </div>
  );
}

function sortRows<Row>(rows: readonly Row[], columns: readonly Column<Row>[], order: Order | undefined): readonly Row[] {
  const compare = columns.find(({ key }) => key === order?.key)?.compare;
  if (compare === undefined) return rows;
  return rows.toSorted(order!.isDescending ? (left, right) => compare(right, left) : compare);
}

function SpaceRow({ rows, columns }: { readonly rows: number; readonly columns: number }): JSX.Element {
  return (
    <tr class="space" aria-hidden="true">
      <td colSpan={columns} style={{ height: `${rows * rowHeightPx}px` }} />
    </tr>
  );
}

interface HeadingProps<Row> {
  readonly column: Column<Row>;
  readonly order: Order | undefined;
  readonly onSort: (order: Order | undefined) => void;
}

/** Numbers sort from the largest first; the third click brings back the order of the server. */
function Heading<Row>({ column, order, onSort }: HeadingProps<Row>): JSX.Element {
  const { key, title, isNumber = false, compare } = column;
  const isSorted = order?.key === key;
  if (compare === undefined) return <th scope="col" class={isNumber ? "number" : undefined}>{title}</th>;
  const next = !isSorted ? { key, isDescending: isNumber } : order.isDescending === isNumber ? { key, isDescending: !isNumber } : undefined;
  return (
    <th scope="col" class={isNumber ? "number" : undefined} aria-sort={isSorted ? (order.isDescending ? "descending" : "ascending") : "none"}>
      <button type="button" class="sort" onClick={() => onSort(next)}>
        {title}
        <span class="sort-mark" aria-hidden="true">{isSorted ? (order.isDescending ? "↓" : "↑") : ""}</span>
      </button>
    </th>
  );
}

/** Compares numbers for a column; NaN is the smallest. */
export function compareNumbers(left: number, right: number): number {
  if (Number.isNaN(left) || Number.isNaN(right)) return Number(Number.isNaN(right)) - Number(Number.isNaN(left));
  return left < right ? -1 : Number(left > right);
}

/** Compares texts for a column, numbers within them by size. */
export const compareTexts: (left: string, right: string) => number = new Intl.Collator("en", { numeric: true }).compare;
