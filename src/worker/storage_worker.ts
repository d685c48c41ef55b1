/**
 * The storage thread: a TableWriter behind messages. Log writes and small requests are done as they arrive; seals and merges are generators
 * that run in steps of a few milliseconds with messages in between (step_scheduler.ts), so that an acknowledgement never waits for a whole seal.
 */
import type { MessagePort } from "node:worker_threads";
import { systemClock } from "../base/clock.ts";
import { StorageError, TidemarkError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import type { Steps } from "../storage/steps.ts";
import { TableWriter } from "../storage/table_writer.ts";
import type { TableVersion } from "../storage/table_client.ts";
import { StepScheduler, type StepTask } from "./step_scheduler.ts";
import type { StorageReply, StorageRequest, StorageWorkerSetup } from "./storage_messages.ts";

const statsIntervalMs = 5000;
const defaultMergeCpuShare = 0.25;

export function runStorageWorker(port: MessagePort, setup: StorageWorkerSetup): void {
  const post = (reply: StorageReply): void => port.postMessage(reply);
  const logger: Logger = {
    info: (message) => post({ kind: "log", level: "info", message }),
    warn: (message) => post({ kind: "log", level: "warn", message }),
    error: (message) => post({ kind: "log", level: "error", message }),
  };
  const writer = TableWriter.open(new RealFileSystem(), setup.table, systemClock, logger);
  const scheduler = new StepScheduler<TableVersion>({
    clock: systemClock, nextTurn: setImmediate, backgroundShare: setup.table.mergeCpuShare ?? defaultMergeCpuShare, backlog: () => writer.mergeBacklog,
  });
  const postStats = (): void => post({ kind: "stats", stats: { ...writer.stats, longestStepMs: scheduler.takeLongestStepMs() } });
  postStats();
  const statsTimer = setInterval(postStats, statsIntervalMs);

  const fail = (requestId: number, error: unknown): void => {
    post({ kind: "failed", requestId, code: error instanceof TidemarkError ? error.code : "storage", message: error instanceof Error ? error.message : String(error) });
  };

  const start = (kind: StepTask<TableVersion>["kind"], requestId: number, steps: Steps<TableVersion>): void => {
    scheduler.add({ kind, steps, done: (version) => post({ kind: "done", requestId, version }), failed: (error) => fail(requestId, error) });
  };

  const handle = (request: StorageRequest): void => {
    const { requestId } = request;
    switch (request.kind) {
      case "appendLog":
        scheduler.noteWrite();
        writer.appendLog(request.pieces, request.extraRecords);
        post({ kind: "done", requestId });
        break;
      case "rollLog":
        post({ kind: "done", requestId, segment: writer.rollLog() });
        break;
      case "seal":
        start("seal", requestId, writer.seal(request.shard, request.seal, request.nextSeriesId));
        break;
      case "merge":
        start(request.request.force ? "merge" : "background", requestId, writer.merge(request.request));
        break;
      case "quarantine":
        start("merge", requestId, writer.quarantine(request.partition, request.id, request.reason));
        break;
      case "checkpoint":
        start("seal", requestId, writer.checkpoint(request.checkpoint, request.metadata));
        break;
      case "dropBefore":
        post({ kind: "done", requestId, version: writer.dropBefore(request.minMs) });
        break;
      case "releaseVersion":
        writer.releaseVersion(request.version);
        post({ kind: "done", requestId });
        break;
      case "close":
        clearInterval(statsTimer);
        scheduler.close(new StorageError("closed", "the store closes"), (error) => logger.warn(`cannot remove what was begun: ${String(error)}`)); // the next start does
        writer[Symbol.dispose]();
        post({ kind: "done", requestId });
        port.close();
        break;
    }
  };

  port.on("message", (request: StorageRequest) => {
    try {
      handle(request);
    } catch (error) {
      fail(request.requestId, error);
    }
  });
}
