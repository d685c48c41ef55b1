// What a replay asks about the samples record of a log before it goes into the head.
import { idTableGet } from "./series_id_table";

const samplesHeader: usize = 24;
const sampleBytes: u32 = 16;

/**
 * Whether a samples record of `size` bytes names a series that is not in the table of ids (series_id_table.ts), of the ids below `idLimit` that leave `rest`
 * when divided by `step`.
 */
export function logHasUnknownSeries(payload: usize, size: u32, idTable: usize, idLimit: u32, step: u32, rest: u32): u32 {
  if (size < (samplesHeader as u32)) return 0;
  const count = min<u32>(load<u32>(payload, 16), (size - (samplesHeader as u32)) / sampleBytes);
  const end = payload + samplesHeader + ((count as usize) << 4);
  for (let at = payload + samplesHeader; at < end; at += sampleBytes) {
    const id = load<u32>(at);
    if (id == 0 || id >= idLimit) continue;
    if (idTableGet(idTable, id) == 0 && id % step == rest) return 1;
  }
  return 0;
}
