/** The one entry of all worker threads; `workerData.role` says which one this is. */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../base/assert.ts";
import { useModule } from "../kernel/kernel.ts";
import type { QueryWorkerSetup, QueryWorkerStart } from "./query_messages.ts";
import type { StorageWorkerSetup } from "./storage_messages.ts";

const setup = workerData as StorageWorkerSetup | QueryWorkerStart;
assert(parentPort !== null, "a worker entry runs in a worker");
useModule(setup.module);
if (setup.role === "storage") {
  const { runStorageWorker } = await import("./storage_worker.ts");
  runStorageWorker(parentPort, setup);
} else {
  const { runQueryWorker } = await import("./query_worker.ts");
  const port = parentPort;
  port.once("message", (first: QueryWorkerSetup) => runQueryWorker(port, first));
}
