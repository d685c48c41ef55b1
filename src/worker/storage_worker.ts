/**
 * The storage thread: a TableWriter behind messages. Log writes and small requests are done as they arrive; seals and merges are generators
 * that run in steps of a few milliseconds with messages in between, so that an acknowledgement never waits for a whole seal.
 */
import type { MessagePort } from "node:worker_threads";
import { systemClock } from "../base/clock.ts";
import { StorageError, TidemarkError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import { TableWriter } from "../storage/table_writer.ts";
import type { Steps } from "../storage/steps.ts";
import type { TableVersion } from "../storage/table_client.ts";
import type { StorageReply, StorageRequest, StorageWorkerSetup } from "./storage_messages.ts";

/** A merge gets one step in so many while there are seals to write, so that parts do not pile up under a steady load. */
const stepsPerMergeStep = 8;

interface Task {
  readonly requestId: number;
  readonly steps: Steps<TableVersion>;
}

export function runStorageWorker(port: MessagePort, setup: StorageWorkerSetup): void {
  const post = (reply: StorageReply): void => port.postMessage(reply);
  const logger: Logger = {
    info: (message) => post({ kind: "log", level: "info", message }),
    warn: (message) => post({ kind: "log", level: "warn", message }),
    error: (message) => post({ kind: "log", level: "error", message }),
  };
  const writer = TableWriter.open(new RealFileSystem(), setup.table, systemClock, logger);
  const seals: Task[] = [];
  const merges: Task[] = [];
  let running = false;
  let stepCount = 0;

  const fail = (requestId: number, error: unknown): void => {
    post({ kind: "failed", requestId, code: error instanceof TidemarkError ? error.code : "storage", message: error instanceof Error ? error.message : String(error) });
  };

  /** One step of the most urgent task, then a turn of the event loop for messages. */
  const step = (): void => {
    const isMergeTurn = ++stepCount % stepsPerMergeStep === 0 && merges.length > 0;
    const queue = seals.length > 0 && !isMergeTurn ? seals : merges;
    const task = queue[0];
    if (task === undefined) {
      running = false;
      return;
    }
    try {
      const result = task.steps.next();
      if (result.done === true) {
        queue.shift();
        post({ kind: "done", requestId: task.requestId, version: result.value });
      }
    } catch (error) {
      queue.shift();
      fail(task.requestId, error);
    }
    setImmediate(step);
  };

  const giveUp = ({ requestId, steps }: Task): void => {
    fail(requestId, new StorageError("closed", "the store closes"));
    try {
      steps.return(writer.version);
    } catch (error) {
      logger.warn(`cannot remove what was begun: ${String(error)}`); // the next start does
    }
  };

  const enqueue = (queue: Task[], task: Task): void => {
    queue.push(task);
    if (!running) {
      running = true;
      setImmediate(step);
    }
  };

  const handle = (request: StorageRequest): void => {
    const { requestId } = request;
    switch (request.kind) {
      case "appendLog":
        writer.appendLog(request.pieces, request.extraRecords);
        post({ kind: "done", requestId });
        break;
      case "rollLog":
        post({ kind: "done", requestId, segment: writer.rollLog() });
        break;
      case "seal":
        enqueue(seals, { requestId, steps: writer.seal(request.shard, request.seal, request.nextSeriesId) });
        break;
      case "merge":
        enqueue(merges, { requestId, steps: writer.merge(request.request) });
        break;
      case "quarantine":
        enqueue(merges, { requestId, steps: writer.quarantine(request.partition, request.id, request.reason) });
        break;
      case "checkpoint":
        post({ kind: "done", requestId, version: writer.checkpoint(request.checkpoint, request.metadata) });
        break;
      case "dropBefore":
        post({ kind: "done", requestId, version: writer.dropBefore(request.minMs) });
        break;
      case "releaseVersion":
        writer.releaseVersion(request.version);
        post({ kind: "done", requestId });
        break;
      case "close":
        for (const task of [...seals.splice(0), ...merges.splice(0)]) giveUp(task);
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
