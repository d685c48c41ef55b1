/**
 * TableClient in the same thread: every call is done before it returns, unless the disk is busy on another thread. For tests, simulations and small embedded
 * stores.
 */
import type { Seal } from "./head.ts";
import { runSteps } from "./steps.ts";
import type { Checkpoint, LogPiece, MergeRequest, TableClient, TableStats, TableVersion } from "./table_client.ts";
import type { TableWriter } from "./table_writer.ts";

export class DirectTableClient implements TableClient {
  readonly #writer: TableWriter;

  constructor(writer: TableWriter) {
    this.#writer = writer;
  }

  get stats(): TableStats {
    return this.#writer.stats;
  }

  async appendLog(pieces: readonly LogPiece[], extraRecords?: Uint8Array): Promise<void> {
    this.#writer.appendLog(pieces, extraRecords);
  }

  async rollLog(): Promise<number> {
    return this.#writer.rollLog();
  }

  async seal(shard: number, seal: Seal, nextSeriesId: number): Promise<TableVersion> {
    return runSteps(this.#writer.seal(shard, seal, nextSeriesId));
  }

  async checkpoint(checkpoint: Checkpoint, metadata: Uint8Array): Promise<TableVersion> {
    return runSteps(this.#writer.checkpoint(checkpoint, metadata));
  }

  async merge(request: MergeRequest): Promise<TableVersion> {
    return runSteps(this.#writer.merge(request));
  }

  async quarantine(partition: string, id: number, reason: string): Promise<TableVersion> {
    return runSteps(this.#writer.quarantine(partition, id, reason));
  }

  async dropBefore(minMs: number): Promise<TableVersion> {
    return this.#writer.dropBefore(minMs);
  }

  releaseVersion(version: number): void {
    this.#writer.releaseVersion(version);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#writer[Symbol.dispose]();
  }
}
