/** The graph with its crosshair, readings and legend. */
import { useSignal, useSignalEffect } from "@preact/signals";
import type { JSX, TargetedKeyboardEvent } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { ChartView } from "../chart/chart_view.ts";
import type { ChartReading } from "../chart/chart_view.ts";
import { printShort } from "../number_text.ts";
import { palettes } from "../palette.ts";
import { theme, timeZone } from "../preferences.ts";
import { text } from "../text.ts";
import { absoluteRange } from "../time_range.ts";
import { printTime } from "../time_text.ts";
import type { ExploreSession } from "./explore_session.ts";
import { gridSize } from "./graph_data.ts";
import type { GraphData, GraphSeries } from "./graph_data.ts";
import type { GraphView } from "./graph_view.ts";
import { Legend } from "./legend.tsx";
import { ReadingBox } from "./reading_box.tsx";
import type { Reading } from "./reading_box.tsx";
import { drawLimit, filterSeries, isolateSeries, shortName } from "./selection.ts";

interface GraphTabProps {
  readonly session: ExploreSession;
  readonly data: GraphData;
  readonly view: GraphView;
}

/** See the top of the file. */
export function GraphTab({ session, data, view }: GraphTabProps): JSX.Element {
  const filtered = filterSeries(data, view.filter.value);
  const chosen = isolateSeries(filtered, view.isolated.value);
  const drawn = view.drawsAll.value ? chosen : chosen.slice(0, drawLimit);
  return (
    <>
      {chosen.length > drawLimit && (
        <div class="message note" role="status">
          <span>{text.result.tooMany(drawn.length, chosen.length)}</span>
          <button type="button" class="button small" onClick={() => (view.drawsAll.value = !view.drawsAll.value)}>
            {view.drawsAll.value ? text.result.drawFewer : text.result.drawAll(chosen.length)}
          </button>
        </div>
      )}
      <Graph session={session} data={data} drawn={drawn} view={view} />
      <Legend data={data} filtered={filtered} view={view} />
    </>
  );
}

interface GraphProps extends GraphTabProps {
  readonly drawn: readonly GraphSeries[];
}

function Graph({ session, data, drawn, view }: GraphProps): JSX.Element {
  const container = useRef<HTMLDivElement>(null);
  const chart = useRef<ChartView | undefined>(undefined);
  const hover = useSignal<Reading | undefined>(undefined);
  const pins = useSignal<readonly Reading[]>([]);
  const spoken = useSignal("");
  const isDragging = useSignal(false);
  // The chart outlives renderings, and its events must see the newest series.
  const current = useRef({ data, drawn });
  current.current = { data, drawn };

  const readingOf = (reading: ChartReading): Reading => ({ ...reading, data: current.current.data, series: reading.lineIndexes.map((index) => current.current.drawn[index]) });
  const show = (reading: ChartReading | undefined): void => {
    hover.value = reading && readingOf(reading);
    view.focusedKey.value = hover.value?.series[0]?.key;
    chart.current!.setFocus(reading?.lineIndexes[0] ?? -1, reading?.pointIndex);
  };
  const pin = (reading: ChartReading): void => {
    pins.value = [...pins.value, readingOf(reading)];
    hover.value = undefined;
  };

  useEffect(() => {
    const view = new ChartView(container.current!, {
      onMove: show,
      onClick: pin,
      onZoom: (fromMs, toMs) => session.setRange(absoluteRange(roundToSeconds(fromMs), roundToSeconds(toMs))),
    });
    chart.current = view;
    const stopDragging = (): void => {
      isDragging.value = false;
    };
    window.addEventListener("pointerup", stopDragging);
    return () => {
      window.removeEventListener("pointerup", stopDragging);
      view[Symbol.dispose]();
    };
  }, []);
  useEffect(() => {
    const colors = palettes[theme.value];
    const lines = drawn.map(({ values, min, max, color }) => ({ values, min, max, color: colors[color] }));
    chart.current!.setContent({ ...data.grid, lines, zone: timeZone.value });
    hover.value = undefined;
  }, [data, drawn.map(({ key }) => key).join("\n"), theme.value, timeZone.value]);
  useEffect(() => {
    pins.value = [];
  }, [data]);
  useSignalEffect(() => {
    const key = view.focusedKey.value;
    if (hover.peek() === undefined) chart.current?.setFocus(current.current.drawn.findIndex((series) => series.key === key));
  });

  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    const { data, drawn } = current.current;
    const next = readingByKey(event, hover.value, data, drawn);
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (next === "close") {
      pins.value = [];
      hover.value = undefined;
      chart.current!.hideCursor();
      return;
    }
    if (next === "pin") {
      if (hover.value !== undefined) pin({ ...hover.value });
      return;
    }
    const reading = readingOf(chart.current!.moveTo(next.pointIndex, drawn.indexOf(next.series)));
    const series = [next.series, ...reading.series.filter((other) => other !== next.series)];
    hover.value = { ...reading, series };
    view.focusedKey.value = next.series.key;
    chart.current!.setFocus(drawn.indexOf(next.series), next.pointIndex);
    const value = next.series.values[next.pointIndex];
    spoken.value = `${printTime(reading.timeMs, timeZone.value)}, ${shortName(next.series, data)}: ${Number.isNaN(value) ? text.graph.noValue : printShort(value, 6)}`;
  };

  return (
    <div class={`graph${isDragging.value ? " dragging" : ""}`} role="application" tabIndex={0} aria-label={text.graph.label(drawn.length)} onKeyDown={onKeyDown}>
      {/* Pinned readings must not stand in the way of a selection. */}
      <div class="graph-canvas" ref={container} onPointerDown={() => (isDragging.value = true)} />
      {hover.value !== undefined && <ReadingBox reading={hover.value} />}
      {pins.value.map((reading, i) => (
        <ReadingBox key={`${reading.timeMs} ${reading.left} ${reading.top}`} reading={reading} onUnpin={() => (pins.value = pins.value.filter((_, j) => j !== i))} />
      ))}
      <div class="visually-hidden" role="status">{spoken.value}</div>
    </div>
  );
}

interface KeyReading {
  readonly pointIndex: number;
  readonly series: GraphSeries;
}

/** Where a key on the graph leads; undefined if it means nothing here. */
function readingByKey(event: KeyboardEvent, hover: Reading | undefined, data: GraphData, drawn: readonly GraphSeries[]): KeyReading | "close" | "pin" | undefined {
  const { key, target, currentTarget, ctrlKey, metaKey, altKey } = event;
  if (target !== currentTarget || ctrlKey || metaKey || altKey || drawn.length === 0) return undefined;
  if (key === "Escape") return "close";
  if (key === "Enter") return "pin";
  const lastIndex = gridSize(data.grid) - 1;
  const pointIndex = hover?.pointIndex ?? lastIndex;
  const series = hover?.series[0] ?? drawn[0];
  const page = event.shiftKey ? 10 : 1;
  const at = Math.max(0, drawn.indexOf(series));
  switch (key) {
    case "ArrowLeft": return { pointIndex: Math.max(0, pointIndex - page), series };
    case "ArrowRight": return { pointIndex: Math.min(lastIndex, pointIndex + page), series };
    case "ArrowDown": return { pointIndex, series: drawn[(at + 1) % drawn.length] };
    case "ArrowUp": return { pointIndex, series: drawn[(at + drawn.length - 1) % drawn.length] };
    case "Home": return { pointIndex: 0, series };
    case "End": return { pointIndex: lastIndex, series };
    default: return undefined;
  }
}

function roundToSeconds(timeMs: number): number {
  return Math.round(timeMs / 1000) * 1000;
}
