/** The box at the crosshair: the moment, the nearest series with all its labels, and its neighbours. A click on the graph pins it. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { ChartReading } from "../chart/chart_view.ts";
import { copyText } from "../clipboard.ts";
import { Icon } from "../icon.tsx";
import { printExact, printShort } from "../number_text.ts";
import { timeZone } from "../preferences.ts";
import { text } from "../text.ts";
import { printTime } from "../time_text.ts";
import type { GraphData, GraphSeries } from "./graph_data.ts";
import { shortName } from "./selection.ts";
import { Swatch } from "./swatch.tsx";

/** What a box shows: the series are some of those with a value at this moment, nearest first. */
export interface Reading extends ChartReading {
  readonly data: GraphData;
  readonly series: readonly GraphSeries[];
}

interface ReadingBoxProps {
  readonly reading: Reading;
  /** There if the box is pinned. */
  readonly onUnpin?: () => void;
}

const maxOthers = 6;

/** See the top of the file. */
export function ReadingBox({ reading, onUnpin }: ReadingBoxProps): JSX.Element {
  const [nearest, ...others] = reading.series;
  const style = { "--left": `${reading.left}px`, "--top": `${reading.top}px` };
  return (
    <div class={`reading${reading.isInRightHalf ? " at-left" : ""}${onUnpin === undefined ? "" : " pinned"}`} style={style} role={onUnpin === undefined ? undefined : "group"} aria-label={onUnpin === undefined ? undefined : text.graph.pinned} aria-hidden={onUnpin === undefined}>
      <div class="reading-time">
        <span>{printTime(reading.timeMs, timeZone.value)}</span>
        {onUnpin !== undefined && (
          <button type="button" class="button quiet icon-only small" aria-label={text.graph.unpin} title={text.graph.unpin} onClick={onUnpin}>
            <Icon name="close" />
          </button>
        )}
      </div>
      {nearest === undefined ? <div class="reading-empty">{text.graph.noValue}</div> : <NearestSeries series={nearest} pointIndex={reading.pointIndex} isPinned={onUnpin !== undefined} />}
      {others.length > 0 && (
        <ul class="reading-others">
          {others.slice(0, maxOthers).map((series) => (
            <li key={series.key}>
              <Swatch color={series.color} />
              <span class="reading-name">{shortName(series, reading.data)}</span>
              <span class="reading-value">{printShort(series.values[reading.pointIndex], 5)}</span>
            </li>
          ))}
          {reading.lineCount > maxOthers + 1 && <li class="reading-more">{text.graph.others(reading.lineCount - maxOthers - 1)}</li>}
        </ul>
      )}
    </div>
  );
}

interface NearestSeriesProps {
  readonly series: GraphSeries;
  readonly pointIndex: number;
  readonly isPinned: boolean;
}

function NearestSeries({ series, pointIndex, isPinned }: NearestSeriesProps): JSX.Element {
  const isCopied = useSignal(false);
  const value = series.values[pointIndex];
  const { __name__: metric, ...labels } = series.labels;
  const copy = async (): Promise<void> => {
    isCopied.value = await copyText(series.name);
  };
  return (
    <div class="reading-nearest">
      <div class="reading-head">
        <Swatch color={series.color} />
        <span class="reading-name">{metric ?? (Object.keys(labels).length === 0 ? "{}" : "")}</span>
        <strong class="reading-value" title={printExact(value)}>{printShort(value, 6)}</strong>
      </div>
      <dl class="labels">
        {Object.entries(labels).map(([name, label]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{label}</dd>
          </div>
        ))}
      </dl>
      {isPinned && (
        <button type="button" class="button small" onClick={() => void copy()}>
          <Icon name="copy" />
          {isCopied.value ? text.copied : text.graph.copySelector}
        </button>
      )}
    </div>
  );
}
