/** TableClient on the main thread: posts every call to the storage thread. */
import { Worker } from "node:worker_threads";
import { StorageError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { kernelModule } from "../kernel/kernel.ts";
import type { Seal } from "../storage/head.ts";
import { type Checkpoint, type LogPiece, type MergeRequest, noTableStats, type TableClient, type TableStats, type TableVersion } from "../storage/table_client.ts";
import type { TableSetup } from "../storage/table_writer.ts";
import type { StorageReply, StorageRequest, StorageWorkerSetup, WithoutRequestId } from "./storage_messages.ts";
import { workerEntryUrl } from "./entry_url.ts";

type Done = Extract<StorageReply, { kind: "done" }>;

export class StorageClient implements TableClient {
  readonly #worker: Worker;
  readonly #logger: Logger;
  readonly #waiting = new Map<number, PromiseWithResolvers<Done>>();
  #nextRequestId = 1;
  #closed = false;
  #stats = noTableStats;
  #onFatal: (error: Error) => void;

  /** `onFatal` is called when the thread dies: without it nothing can be stored any more. */
  constructor(table: TableSetup, logger: Logger, onFatal: (error: Error) => void) {
    this.#logger = logger;
    this.#onFatal = onFatal;
    const workerData: StorageWorkerSetup = { role: "storage", module: kernelModule(), table, logLevel: "INFO" };
    this.#worker = new Worker(workerEntryUrl, { workerData, name: "storage", resourceLimits: { maxYoungGenerationSizeMb: 4 } });
    this.#worker.on("message", (reply: StorageReply) => this.#receive(reply));
    this.#worker.on("error", (error: unknown) => this.#fail(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on("exit", (code) => {
      this.#fail(new StorageError("storage_thread", `the storage thread ended with code ${code}`));
    });
  }

  get stats(): TableStats {
    return this.#stats;
  }

  async appendLog(pieces: readonly LogPiece[], extraRecords?: Uint8Array): Promise<void> {
    await this.#call({ kind: "appendLog", pieces, extraRecords });
  }

  async rollLog(): Promise<number> {
    return (await this.#call({ kind: "rollLog" })).segment ?? 0;
  }

  async seal(shard: number, seal: Seal, nextSeriesId: number): Promise<TableVersion> {
    return version(await this.#call({ kind: "seal", shard, seal, nextSeriesId }));
  }

  async checkpoint(checkpoint: Checkpoint, metadata: Uint8Array): Promise<TableVersion> {
    return version(await this.#call({ kind: "checkpoint", checkpoint, metadata }));
  }

  async merge(request: MergeRequest): Promise<TableVersion> {
    return version(await this.#call({ kind: "merge", request }));
  }

  async quarantine(partition: string, id: number, reason: string): Promise<TableVersion> {
    return version(await this.#call({ kind: "quarantine", partition, id, reason }));
  }

  async dropBefore(minMs: number): Promise<TableVersion> {
    return version(await this.#call({ kind: "dropBefore", minMs }));
  }

  releaseVersion(releasedVersion: number): void {
    this.#call({ kind: "releaseVersion", version: releasedVersion }).catch((error: unknown) => this.#logger.warn(`cannot remove merged parts: ${String(error)}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    const closing = this.#call({ kind: "close" });
    this.#closed = true;
    try {
      await closing;
    } finally {
      await this.#worker.terminate();
    }
  }

  #call(request: WithoutRequestId<StorageRequest>): Promise<Done> {
    if (this.#closed) return Promise.reject(new StorageError("closed", "the store is closed"));
    const requestId = this.#nextRequestId++;
    const waiting = Promise.withResolvers<Done>();
    this.#waiting.set(requestId, waiting);
    this.#worker.postMessage({ ...request, requestId });
    return waiting.promise;
  }

  #receive(reply: StorageReply): void {
    if (reply.kind === "log") {
      this.#logger[reply.level](reply.message);
      return;
    }
    if (reply.kind === "stats") {
      this.#stats = reply.stats;
      return;
    }
    const waiting = this.#waiting.get(reply.requestId);
    this.#waiting.delete(reply.requestId);
    if (reply.kind === "done") waiting?.resolve(reply);
    else waiting?.reject(new StorageError(reply.code, reply.message));
  }

  #fail(error: Error): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const waiting of all) waiting.reject(error);
    if (!this.#closed) {
      this.#closed = true;
      this.#onFatal(error);
    }
  }
}

function version(done: Done): TableVersion {
  if (done.version === undefined) throw new StorageError("storage_thread", "the storage thread answered without a version");
  return done.version;
}
