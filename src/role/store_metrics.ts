/** The store's figures under the names that dashboards for VictoriaMetrics read. */
import type { MetricRegistry } from "../base/metrics.ts";
import type { LocalStore } from "../storage/local_store.ts";

export function registerStoreMetrics(metrics: MetricRegistry, store: LocalStore): void {
  const samples = metrics.gauge("vm_rows", "Samples in parts on disk.", { type: "storage/big" });
  const partBytes = metrics.gauge("vm_data_size_bytes", "Size of the data by kind.", { type: "storage/big" });
  const headBytes = metrics.gauge("vm_data_size_bytes", "Size of the data by kind.", { type: "storage/inmemory" });
  const parts = metrics.gauge("vm_parts", "Parts on disk.", { type: "storage/big" });
  // What dashboards take for the number of active series.
  const activeSeries = metrics.gauge("vm_cache_entries", "Entries; of storage/hour_metric_ids: active series.", { type: "storage/hour_metric_ids" });
  const sharedBytes = metrics.gauge("tidemark_shared_memory_bytes", "Memory shared between threads, reserved.");
  const exemplars = metrics.gauge("tidemark_exemplars", "Exemplars that are kept.");
  const readers = metrics.gauge("tidemark_readers", "Searches that hold parts and buffers.");
  const indexCacheBytes = metrics.gauge("tidemark_index_cache_bytes", "Loaded of the indexes of old months.");
  let indexCacheLoads = 0;
  let indexCacheEvictions = 0;
  metrics.counter("tidemark_index_cache_loads_total", "Index segments of old months that were opened for a query.", {}, () => indexCacheLoads);
  metrics.counter("tidemark_index_cache_evictions_total", "Index segments of old months that were dropped from memory.", {}, () => indexCacheEvictions);
  let newSeries = 0;
  let predictionMisses = 0;
  metrics.counter("vm_new_timeseries_created_total", "Series seen for the first time.", {}, () => newSeries);
  metrics.counter("tidemark_series_prediction_misses_total", "Rows whose series was not the one that followed last time.", {}, () => predictionMisses);
  const activeMerges = metrics.gauge("vm_active_merges", "Merges that are going on.", { type: "storage/big" });
  const freeBytes = metrics.gauge("vm_free_disk_space_bytes", "Free space on the disk of the data.");
  const minFreeBytes = metrics.gauge("vm_free_disk_space_limit_bytes", "Below this nothing is written.");
  const isReadOnly = metrics.gauge("vm_storage_is_read_only", "1: writes are refused because the disk has too little room.");
  const longestStep = metrics.gauge("tidemark_storage_longest_step_seconds", "Longest step of a seal or merge in the last second: so long a write may have waited.");
  metrics.counter("vm_merges_total", "Merges done.", { type: "storage/big" }, () => store.tableStats.mergesDone);
  metrics.counter("vm_rows_merged_total", "Samples written by merges.", { type: "storage/big" }, () => store.tableStats.samplesMerged);
  metrics.counter("vm_merge_need_free_disk_space", "Times that merges were put off because the disk had too little room.", { type: "storage/big" }, () => store.tableStats.mergesPutOff);
  metrics.counter("tidemark_quarantined_parts_total", "Parts that could not be read, or not wholly, and were put aside.", {}, () => store.tableStats.quarantinedParts);
  metrics.counter("tidemark_quarantined_index_segments_total", "Index segments that could not be read and were put aside.", {}, () => store.tableStats.quarantinedIndexSegments);
  metrics.counter("tidemark_damaged_blocks_total", "Blocks that merges left out because they are damaged.", {}, () => store.tableStats.damagedBlocks);
  metrics.counter("tidemark_unreadable_reads_total", "Reads that left something out because a file is damaged.", {}, () => store.unreadableReads);
  metrics.onCollect(() => {
    const stats = store.stats();
    samples.set(stats.partSamples);
    partBytes.set(stats.partBytes);
    headBytes.set(stats.headBytes);
    parts.set(stats.partCount);
    activeSeries.set(stats.seriesCount);
    sharedBytes.set(stats.sharedMemoryBytes);
    exemplars.set(stats.exemplars);
    readers.set(stats.readers);
    const { tableStats } = store;
    activeMerges.set(tableStats.mergesActive);
    freeBytes.set(tableStats.freeBytes);
    minFreeBytes.set(tableStats.minFreeBytes);
    isReadOnly.set(tableStats.readOnlyReason === "" ? 0 : 1);
    longestStep.set(tableStats.longestStepMs / 1000);
    newSeries = stats.newSeries;
    predictionMisses = stats.predictionMisses;
    indexCacheBytes.set(stats.indexCache.loadedBytes);
    indexCacheLoads = stats.indexCache.loads;
    indexCacheEvictions = stats.indexCache.evictions;
  });
}
