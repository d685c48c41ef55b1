/**
 * The graph: uPlot makes the axes, the crosshair and the zoom selection; the lines are painted here (see line_painter.ts), a few
 * milliseconds at a time. A second canvas above holds the series under the crosshair, so that moving the mouse repaints one line only.
 */
import uPlot from "uplot";
import { printAxisValues } from "../number_text.ts";
import { printAxisTime } from "../time_text.ts";
import type { TimeZone } from "../time_text.ts";
import { clipToFrame, paintLine, valueY } from "./line_painter.ts";
import type { PlotFrame } from "./line_painter.ts";
import { valueRange } from "./value_range.ts";
import type { ValueRange } from "./value_range.ts";

/** A line to draw; `color` is a CSS color. */
export interface ChartLine {
  readonly values: Float64Array;
  readonly min: number;
  readonly max: number;
  readonly color: string;
}

/** What the graph shows. */
export interface ChartContent {
  readonly fromMs: number;
  readonly toMs: number;
  readonly stepMs: number;
  readonly lines: readonly ChartLine[];
  readonly zone: TimeZone;
}

/** Where the crosshair is: a moment of the grid, the nearest lines there, and the place in CSS pixels of the container. */
export interface ChartReading {
  readonly pointIndex: number;
  readonly timeMs: number;
  /** The lines nearest to the crosshair at this moment, nearest first. */
  readonly lineIndexes: readonly number[];
  /** How many lines have a value at this moment. */
  readonly lineCount: number;
  readonly left: number;
  readonly top: number;
  /** There is more room to the left of it. */
  readonly isInRightHalf: boolean;
}

/** What the graph tells its owner. */
export interface ChartEvents {
  /** The crosshair moved by mouse; undefined when it left. */
  readonly onMove: (reading: ChartReading | undefined) => void;
  readonly onClick: (reading: ChartReading) => void;
  readonly onZoom: (fromMs: number, toMs: number) => void;
}

const paintSliceMs = 8;
const axisFont = "11px system-ui, sans-serif";
const maxNearest = 64;

/** A graph in `container`, which gives it its size, colours (`color` for text, `border-top-color` for the grid) and theme. */
export class ChartView {
  readonly #container: HTMLElement;
  readonly #events: ChartEvents;
  readonly #overlay = document.createElement("canvas");
  readonly #resizes: ResizeObserver;
  readonly #plot: uPlot;
  #content: ChartContent = { fromMs: 0, toMs: 1, stepMs: 1, lines: [], zone: "utc" };
  #range: ValueRange = { min: 0, max: 1 };
  #colors = { text: "", grid: "" };
  #painting = 0;
  #focused = -1;

  constructor(container: HTMLElement, events: ChartEvents) {
    this.#container = container;
    this.#events = events;
    this.#readColors();
    this.#plot = new uPlot(this.#options(), [[0, 1], [null, null]], container);
    this.#overlay.className = "chart-overlay";
    this.#plot.over.append(this.#overlay);
    this.#plot.over.addEventListener("click", () => this.#click());
    this.#plot.over.addEventListener("mouseleave", () => this.#events.onMove(undefined));
    this.#resizes = new ResizeObserver(() => this.#resize());
    this.#resizes.observe(container);
  }

  [Symbol.dispose](): void {
    cancelAnimationFrame(this.#painting);
    this.#resizes.disconnect();
    this.#plot.destroy();
  }

  setContent(content: ChartContent): void {
    this.#content = content;
    this.#range = valueRange(content.lines);
    this.#focused = -1;
    this.#readColors();
    this.#plot.setData([[content.fromMs, content.toMs], [null, null]]);
  }

  /** Emphasises one line, or none with -1. */
  setFocus(lineIndex: number, pointIndex?: number): void {
    this.#focused = lineIndex;
    this.#paintOverlay(pointIndex);
  }

  /** Moves the crosshair to a moment of the grid, on the line if given; returns what is there. */
  moveTo(pointIndex: number, lineIndex: number | undefined): ChartReading {
    const { fromMs, stepMs, lines } = this.#content;
    const timeMs = fromMs + pointIndex * stepMs;
    const value = lineIndex === undefined ? Number.NaN : lines[lineIndex].values[pointIndex];
    const left = this.#plot.valToPos(timeMs, "x");
    const top = Number.isFinite(value) ? this.#plot.valToPos(value, "y") : this.#plot.over.clientHeight / 2;
    this.#plot.setCursor({ left, top }, false);
    return this.#readingAt(left, top);
  }

  /** Takes the crosshair away. */
  hideCursor(): void {
    this.#plot.setCursor({ left: -10, top: -10 }, false);
    this.setFocus(-1);
  }

  #options(): uPlot.Options {
    return {
      ...this.#size(),
      ms: 1,
      tzDate: (timeMs) => (this.#content.zone === "utc" ? uPlot.tzDate(new Date(timeMs), "Etc/UTC") : new Date(timeMs)),
      legend: { show: false },
      scales: {
        x: { time: true, range: () => [this.#content.fromMs, this.#content.toMs] },
        y: { range: () => [this.#range.min, this.#range.max] },
      },
      series: [{}, { show: true, paths: () => null, points: { show: false } }],
      axes: [this.#timeAxis(), this.#valueAxis()],
      padding: [10, 20, 0, 0],
      cursor: { points: { show: false }, drag: { x: true, y: false, setScale: false, dist: 6 } },
      hooks: {
        setCursor: [(plot) => this.#moved(plot)],
        setSelect: [(plot) => this.#selected(plot)],
        draw: [() => this.#beginPainting()],
      },
    };
  }

  #timeAxis(): uPlot.Axis {
    return {
      ...this.#axisColors(),
      font: axisFont,
      space: 76,
      size: 40,
      gap: 4,
      values: (_, splits, __, ___, increment) => splits.map((timeMs, i) => printAxisTime(timeMs, i === 0 ? undefined : splits[i - 1], increment, this.#content.zone)),
    };
  }

  #valueAxis(): uPlot.Axis {
    return {
      ...this.#axisColors(),
      font: axisFont,
      space: 36,
      gap: 6,
      size: (_, labels) => 18 + 6.6 * Math.max(3, ...(labels ?? []).map((label) => label.length)),
      values: (_, splits, __, ___, increment) => printAxisValues(splits, increment),
    };
  }

  #axisColors(): Pick<uPlot.Axis, "stroke" | "grid" | "ticks"> {
    const grid = { stroke: () => this.#colors.grid, width: 1 };
    return { stroke: () => this.#colors.text, grid, ticks: { ...grid, size: 4 } };
  }

  #readColors(): void {
    const style = getComputedStyle(this.#container);
    this.#colors = { text: style.color, grid: style.borderTopColor };
  }

  #size(): { width: number; height: number } {
    return { width: Math.max(200, this.#container.clientWidth), height: Math.max(120, this.#container.clientHeight) };
  }

  #resize(): void {
    const { width, height } = this.#size();
    if (width !== this.#plot.width || height !== this.#plot.height) this.#plot.setSize({ width, height });
  }

  /** In pixels of the canvas, or of the overlay, which begins where the plot does. */
  #frame(isOverlay: boolean): PlotFrame {
    const { bbox } = this.#plot;
    const { fromMs, toMs, stepMs } = this.#content;
    const left = isOverlay ? 0 : bbox.left;
    const stepX = (bbox.width * stepMs) / (toMs - fromMs);
    return { left, top: isOverlay ? 0 : bbox.top, width: bbox.width, height: bbox.height, firstX: left, stepX, minValue: this.#range.min, maxValue: this.#range.max };
  }

  /** Few lines are painted at once; many go on in the next frames, so that the page stays usable. */
  #beginPainting(): void {
    cancelAnimationFrame(this.#painting);
    this.#paintSome(0);
    this.#paintOverlay();
  }

  #paintSome(fromLine: number): void {
    const { lines } = this.#content;
    const frame = this.#frame(false);
    const context = this.#plot.ctx;
    const endMs = performance.now() + paintSliceMs;
    let i = fromLine;
    clipToFrame(context, frame);
    // Canvas operations are recorded and carried out at the end of the frame, hence the limit by count beside the one by time.
    for (let count = 0; i < lines.length && count < 150 && performance.now() < endMs; i++, count++) {
      paintLine(context, frame, lines[i].values, lines[i].color, lineWidth(lines.length));
    }
    context.restore();
    if (i < lines.length) this.#painting = requestAnimationFrame(() => this.#paintSome(i));
  }

  #paintOverlay(pointIndex?: number): void {
    const { bbox } = this.#plot;
    const canvas = this.#overlay;
    if (canvas.width !== bbox.width) canvas.width = bbox.width;
    if (canvas.height !== bbox.height) canvas.height = bbox.height;
    const context = canvas.getContext("2d")!;
    context.clearRect(0, 0, canvas.width, canvas.height);
    const line = this.#content.lines[this.#focused];
    if (line === undefined) return;
    const frame = this.#frame(true);
    if (this.#content.lines.length > 1) paintLine(context, frame, line.values, line.color, 2.5 * devicePixelRatio);
    if (pointIndex === undefined || !Number.isFinite(line.values[pointIndex])) return;
    context.beginPath();
    context.arc(frame.firstX + pointIndex * frame.stepX, valueY(frame, line.values[pointIndex]), 4 * devicePixelRatio, 0, 2 * Math.PI);
    context.fill();
  }

  #moved(plot: uPlot): void {
    const { left = -10, top = -10 } = plot.cursor;
    if (left < 0 || this.#content.lines.length === 0) return;
    this.#events.onMove(this.#readingAt(left, top));
  }

  #click(): void {
    const { left = -10, top = -10 } = this.#plot.cursor;
    if (left >= 0 && this.#content.lines.length > 0) this.#events.onClick(this.#readingAt(left, top));
  }

  #selected(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 6) return;
    const [fromMs, toMs] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.#events.onZoom(fromMs, toMs);
  }

  #readingAt(left: number, top: number): ChartReading {
    const { fromMs, toMs, stepMs, lines } = this.#content;
    const lastIndex = Math.round((toMs - fromMs) / stepMs);
    const pointIndex = Math.max(0, Math.min(lastIndex, Math.round((this.#plot.posToVal(left, "x") - fromMs) / stepMs)));
    const value = this.#plot.posToVal(top, "y");
    const near = lines.map((line, index) => ({ index, distance: Math.abs(line.values[pointIndex] - value) })).filter(({ distance }) => Number.isFinite(distance));
    near.sort((one, other) => one.distance - other.distance || one.index - other.index);
    const { over } = this.#plot;
    return {
      pointIndex,
      timeMs: fromMs + pointIndex * stepMs,
      lineCount: near.length,
      lineIndexes: near.slice(0, maxNearest).map(({ index }) => index),
      left: left + over.offsetLeft,
      top: top + over.offsetTop,
      isInRightHalf: left > over.clientWidth / 2,
    };
  }
}

/** Thinner lines when there are many. */
function lineWidth(lineCount: number): number {
  return (lineCount > 100 ? 1 : lineCount > 20 ? 1.25 : 1.75) * devicePixelRatio;
}
