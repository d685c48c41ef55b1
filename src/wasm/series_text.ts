// The JSON of many series of an answer, or of label sets alone. What a label looks like ("name":"value",) is made once by the caller; a set is a
// row of label numbers, and its text is copied together here. Reference: kernel/series_text_reference.ts.
//
//   form 0   ,{labels}
//   form 1   ,{"metric":{labels},"value":[t,"v"]}
//   form 2   ,{"metric":{labels},"values":[[t,"v"],...]}     without points that are NaN
//
// Each series begins with a comma; the caller puts something else over that of the first one.
import { numberText, numberTextValues } from "./number_text";

/** ,{"metric":{ */
const metricKey: usize = memory.data<u8>([44, 123, 34, 109, 101, 116, 114, 105, 99, 34, 58, 123, 0, 0, 0, 0], 16);
/** ,"values": */
const valuesKey: usize = memory.data<u8>([44, 34, 118, 97, 108, 117, 101, 115, 34, 58, 0, 0, 0, 0, 0, 0], 16);
/** ,"value": */
const valueKey: usize = memory.data<u8>([44, 34, 118, 97, 108, 117, 101, 34, 58, 0, 0, 0, 0, 0, 0, 0], 16);

const formLabels: u32 = 0;
const formVector: u32 = 1;

/** Bytes of a series besides its labels and points, with what is touched behind its end. */
const envelopeBytes: usize = 80;
const pointBytes: usize = 64;
const cellBytes: usize = 32;

/**
 * Writes series [first, count) as far as they fit between `target` and `targetEnd`; stores the number of the first one that did not at `done` and
 * returns the end. The labels of series i have the numbers from numbers[from[i]] to before numbers[from[i + 1]], the text of label n is
 * texts[textFrom[n] .. textFrom[n + 1]), with 16 readable bytes behind the last one. Series i has the values [i * points, (i + 1) * points);
 * `cells` are the times of numberTextCells.
 */
export function seriesText(
  numbers: usize, from: usize, first: u32, count: u32, texts: usize, textFrom: usize, form: u32, values: usize, points: u32, cells: usize,
  target: usize, targetEnd: usize, done: usize,
): usize {
  const pointsSize = envelopeBytes + (points as usize) * pointBytes;
  let series = first;
  for (; series < count; series++) {
    const row = numbers + ((load<u32>(from + ((series as usize) << 2)) as usize) << 2);
    const rowEnd = numbers + ((load<u32>(from + ((series as usize) << 2), 4) as usize) << 2);
    if (labelsSize(row, rowEnd, textFrom) + pointsSize > targetEnd - target) break;
    if (form == formLabels) {
      store<u16>(target, 0x7b2c);
      target = putLabels(target + 2, row, rowEnd, texts, textFrom);
      continue;
    }
    v128.store(target, v128.load(metricKey));
    target = putLabels(target + 12, row, rowEnd, texts, textFrom);
    target = putValues(target, form, values + (((series as usize) * (points as usize)) << 3), points, cells);
  }
  store<u32>(done, series);
  return target;
}

function labelsSize(row: usize, rowEnd: usize, textFrom: usize): usize {
  let size: usize = 0;
  for (; row < rowEnd; row += 4) {
    const at = textFrom + ((load<u32>(row) as usize) << 2);
    size += load<u32>(at, 4) - load<u32>(at);
  }
  return size;
}

/** The labels and the brace behind them, which takes the place of the last comma. */
@inline function putLabels(target: usize, row: usize, rowEnd: usize, texts: usize, textFrom: usize): usize {
  const isEmpty = row == rowEnd;
  for (; row < rowEnd; row += 4) {
    const at = textFrom + ((load<u32>(row) as usize) << 2);
    const from: usize = load<u32>(at);
    const size = (load<u32>(at, 4) as usize) - from;
    for (let i: usize = 0; i < size; i += 16) v128.store(target + i, v128.load(texts + from + i));
    target += size;
  }
  if (!isEmpty) target--;
  store<u8>(target, 125);
  return target + 1;
}

@inline function putValues(target: usize, form: u32, values: usize, points: u32, cells: usize): usize {
  if (form != formVector) {
    v128.store(target, v128.load(valuesKey));
    target = numberTextValues(values, points as i32, cells, target + 10);
  } else {
    v128.store(target, v128.load(valueKey));
    // The cell begins with the comma that separates points; the colon stands there.
    target += 8;
    v128.store(target, v128.load(cells));
    v128.store(target, v128.load(cells, 16), 16);
    store<u8>(target, 58);
    target = numberText(target + load<u8>(cells, cellBytes - 1), load<f64>(values));
    store<u16>(target, 0x5d22);
    target += 2;
  }
  store<u8>(target, 125);
  return target + 1;
}
