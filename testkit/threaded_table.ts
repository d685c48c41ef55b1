/**
 * A TableClient that behaves like the storage thread, in this thread and from a seed: calls arrive some time later, in order; seals and merges are done in
 * steps with other calls in between; answers come in the order in which things were done.
 */
import type { Clock } from "../src/base/clock.ts";
import { StorageError } from "../src/base/errors.ts";
import type { Logger } from "../src/base/logger.ts";
import type { Random } from "../src/base/random.ts";
import type { FileSystem } from "../src/disk/file_system.ts";
import type { Seal } from "../src/storage/head.ts";
import { nextStep, type Steps } from "../src/storage/steps.ts";
import type { Checkpoint, LogPiece, MergeRequest, TableClient, TableStats, TableVersion } from "../src/storage/table_client.ts";
import { type TableSetup, TableWriter } from "../src/storage/table_writer.ts";

interface Task {
  readonly steps: Steps<TableVersion>;
  readonly answer: PromiseWithResolvers<TableVersion>;
  /** Waits for the disk. */
  isWaiting: boolean;
  failure: { readonly error: unknown } | undefined;
}

export class ThreadedTable implements TableClient {
  readonly #writer: TableWriter;
  readonly #random: Random;
  readonly #calls: (() => void)[] = [];
  readonly #seals: Task[] = [];
  readonly #merges: Task[] = [];
  #isRunning = false;
  #isDead = false;
  #isClosed = false;

  constructor(files: FileSystem, setup: TableSetup, clock: Clock, logger: Logger, random: Random) {
    this.#writer = TableWriter.open(files, setup, clock, logger);
    this.#random = random;
  }

  /** The machine has crashed: nothing is done and nothing is answered any more. */
  die(): void {
    this.#isDead = true;
  }

  get stats(): TableStats {
    return this.#writer.stats;
  }

  async appendLog(pieces: readonly LogPiece[], extraRecords?: Uint8Array): Promise<void> {
    return this.#call(() => this.#writer.appendLog(pieces, extraRecords));
  }

  rollLog(): Promise<number> {
    return this.#call(() => this.#writer.rollLog());
  }

  seal(shard: number, seal: Seal, nextSeriesId: number): Promise<TableVersion> {
    return this.#task(this.#seals, () => this.#writer.seal(shard, seal, nextSeriesId));
  }

  checkpoint(checkpoint: Checkpoint, metadata: Uint8Array): Promise<TableVersion> {
    return this.#task(this.#seals, () => this.#writer.checkpoint(checkpoint, metadata));
  }

  merge(request: MergeRequest): Promise<TableVersion> {
    return this.#task(this.#merges, () => this.#writer.merge(request));
  }

  quarantine(partition: string, id: number, reason: string): Promise<TableVersion> {
    return this.#task(this.#merges, () => this.#writer.quarantine(partition, id, reason));
  }

  dropBefore(minMs: number): Promise<TableVersion> {
    return this.#call(() => this.#writer.dropBefore(minMs));
  }

  releaseVersion(version: number): void {
    this.#call(() => this.#writer.releaseVersion(version)).catch(() => undefined); // closed meanwhile
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#call(() => {
      for (const task of [...this.#seals.splice(0), ...this.#merges.splice(0)]) this.#giveUp(task);
      this.#writer[Symbol.dispose]();
      this.#isClosed = true;
    });
  }

  #call<T>(work: () => T): Promise<T> {
    const answer = Promise.withResolvers<T>();
    this.#calls.push(() => {
      try {
        if (this.#isClosed) throw new StorageError("closed", "the store is closed");
        answer.resolve(work());
      } catch (error) {
        answer.reject(error);
      }
    });
    this.#wake();
    return answer.promise;
  }

  #task(queue: Task[], start: () => Steps<TableVersion>): Promise<TableVersion> {
    const answer = Promise.withResolvers<TableVersion>();
    this.#calls.push(() => {
      if (this.#isClosed) answer.reject(new StorageError("closed", "the store is closed"));
      else queue.push({ steps: start(), answer, isWaiting: false, failure: undefined });
    });
    this.#wake();
    return answer.promise;
  }

  #wake(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    setImmediate(() => this.#run());
  }

  /** One turn of the thread's loop. */
  #run(): void {
    if (this.#isDead) return;
    if (this.#calls.length > 0 && this.#random.int(3) > 0) this.#calls.shift()?.();
    else this.#step(this.#seals.length > 0 && this.#random.int(4) > 0 ? this.#seals : this.#merges);
    this.#isRunning = this.#calls.length + this.#seals.length + this.#merges.length > 0;
    if (this.#isRunning) setImmediate(() => this.#run());
  }

  #giveUp({ answer, steps }: Task): void {
    answer.reject(new StorageError("closed", "the store closes"));
    try {
      steps.return(this.#writer.version);
    } catch {
      // What was begun cannot be removed; the next start does.
    }
  }

  #step(queue: Task[]): void {
    const task = queue[0];
    if (task === undefined || task.isWaiting) return;
    const { failure } = task;
    task.failure = undefined;
    try {
      const step = nextStep(task.steps, failure);
      if (step.done !== true) return waitFor(task, step.value);
      queue.shift();
      task.answer.resolve(step.value);
    } catch (error) {
      queue.shift();
      task.answer.reject(error);
    }
  }
}

/** The next step comes when the disk is done. */
function waitFor(task: Task, disk: Promise<void> | void): void {
  if (disk === undefined) return;
  task.isWaiting = true;
  disk.catch((error: unknown) => (task.failure = { error })).finally(() => (task.isWaiting = false));
}
