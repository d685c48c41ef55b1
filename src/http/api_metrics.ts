/** Metrics of the lanes and queues between HTTP and the store. */
import type { Api } from "./api.ts";

export function registerApiMetrics({ metrics, ingestLane, ingestBudget, queryGate }: Api): void {
  metrics.gauge("vm_concurrent_insert_current", "Write requests that are being parsed or wait for it.", {}, () => ingestLane.waiting);
  metrics.gauge("tidemark_insert_bytes_in_flight", "Bytes of write requests that are held.", {}, () => ingestBudget.usedBytes);
  metrics.gauge("tidemark_insert_bytes_in_flight_max", "Bytes of write requests that may be held (-insert.maxBytesInFlight).").set(ingestBudget.limitBytes);
  metrics.gauge("vm_concurrent_select_current", "Queries at work.", {}, () => queryGate.current);
  metrics.gauge("vm_concurrent_select_capacity", "Queries that may be at work at once (-search.maxConcurrentRequests).").set(queryGate.capacity);
  metrics.gauge("vm_concurrent_select_waiting", "Queries that wait for their turn.", {}, () => queryGate.waiting);
}
