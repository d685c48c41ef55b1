/**
 * Paints lines on a canvas. uPlot paints all series in one go; with thousands of them that blocks the page for seconds, so the graph
 * paints its lines itself and in slices. When there are more points than pixels, a pixel column shows the range of its points.
 */

/** The place of the plot on the canvas, in device pixels, and what it shows. */
export interface PlotFrame {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** Canvas x of point 0, and the distance of neighbours. */
  readonly firstX: number;
  readonly stepX: number;
  readonly minValue: number;
  readonly maxValue: number;
}

/** Canvas y of a value. */
export function valueY(frame: PlotFrame, value: number): number {
  return frame.top + ((frame.maxValue - value) / (frame.maxValue - frame.minValue)) * frame.height;
}

/** Keeps paint inside the plot until `restore` of the context. */
export function clipToFrame(context: CanvasRenderingContext2D, frame: PlotFrame): void {
  context.save();
  context.beginPath();
  context.rect(frame.left, frame.top, frame.width, frame.height);
  context.clip();
}

/** One line; gaps stay open and a point between two gaps becomes a dot. */
export function paintLine(context: CanvasRenderingContext2D, frame: PlotFrame, values: Float64Array, color: string, lineWidth: number): void {
  context.strokeStyle = color;
  context.fillStyle = color;
  context.lineWidth = lineWidth;
  context.lineJoin = "round";
  context.beginPath();
  if (frame.stepX < 0.5) traceColumns(context, frame, values);
  else tracePoints(context, frame, values, lineWidth);
  context.stroke();
}

function tracePoints(context: CanvasRenderingContext2D, frame: PlotFrame, values: Float64Array, lineWidth: number): void {
  const { firstX, stepX, top, maxValue } = frame;
  const perValue = frame.height / (maxValue - frame.minValue);
  let isOpen = false;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (!Number.isFinite(value)) {
      isOpen = false;
      continue;
    }
    const x = firstX + i * stepX;
    const y = top + (maxValue - value) * perValue;
    if (isOpen) context.lineTo(x, y);
    else if (Number.isFinite(values[i + 1])) context.moveTo(x, y);
    else paintDot(context, x, y, lineWidth * 1.5);
    isOpen = true;
  }
}

/** A dot within the path of a line: filled apart from it. */
function paintDot(context: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  context.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
  context.moveTo(x, y);
}

/** Per pixel column: first, lowest, highest and last point, which looks the same as all of them. */
function traceColumns(context: CanvasRenderingContext2D, frame: PlotFrame, values: Float64Array): void {
  const { firstX, stepX } = frame;
  let isOpen = false;
  for (let begin = 0; begin < values.length; ) {
    const column = Math.floor(firstX + begin * stepX);
    const end = Math.max(begin + 1, Math.min(values.length, Math.ceil((column + 1 - firstX) / stepX)));
    let low = Infinity;
    let high = -Infinity;
    let first = Number.NaN;
    let last = Number.NaN;
    for (let i = begin; i < end; i++) {
      const value = values[i];
      if (!Number.isFinite(value)) continue;
      if (Number.isNaN(first)) first = value;
      last = value;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    begin = end;
    if (Number.isNaN(first)) {
      isOpen = false;
      continue;
    }
    const x = column + 0.5;
    if (isOpen) context.lineTo(x, valueY(frame, first));
    else context.moveTo(x, valueY(frame, first));
    context.lineTo(x, valueY(frame, low));
    context.lineTo(x, valueY(frame, high) - (low === high ? 0.01 : 0));
    context.lineTo(x, valueY(frame, last));
    isOpen = true;
  }
}
