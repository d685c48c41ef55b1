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
  metrics.onCollect(() => {
    const stats = store.stats();
    samples.set(stats.partSamples);
    partBytes.set(stats.partBytes);
    headBytes.set(stats.headBytes);
    parts.set(stats.partCount);
    activeSeries.set(stats.seriesCount);
    sharedBytes.set(stats.sharedMemoryBytes);
    readers.set(stats.readers);
    newSeries = stats.newSeries;
    predictionMisses = stats.predictionMisses;
    indexCacheBytes.set(stats.indexCache.loadedBytes);
    indexCacheLoads = stats.indexCache.loads;
    indexCacheEvictions = stats.indexCache.evictions;
  });
}
