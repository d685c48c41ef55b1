/** The series that the index of a partition has, read from its segments: for months that are not in the live index and get late samples. */
import type { Logger } from "../base/logger.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { Kernel } from "../kernel/kernel.ts";
import { IndexFile } from "./index_file.ts";
import { groupRowCount, sectionKinds } from "./partition_index_format.ts";
import { SeriesSet } from "./series_set.ts";

/** Ids in the segments at these paths. One that cannot be read is reported and left out: a seal then writes its series again, which is harmless. */
export function loadKnownSeries(files: FileSystem, paths: readonly string[], logger: Logger): SeriesSet {
  const known = new SeriesSet();
  for (const path of paths) {
    try {
      addSegment(files, path, known);
    } catch (error) {
      logger.error(`cannot read which series ${path} has: ${String(error)}`);
    }
  }
  return known;
}

function addSegment(files: FileSystem, path: string, known: SeriesSet): void {
  using file = IndexFile.open(files, path, new Kernel());
  for (const section of file.sectionsOf(sectionKinds.rows)) {
    file.inArena(() => {
      const reader = file.table(section, "a group of rows");
      const seriesIds = reader.column(groupRowCount);
      reader.check(seriesIds, 0, 2 ** 32 - 1);
      for (const seriesId of seriesIds) known.add(seriesId);
    });
  }
}
