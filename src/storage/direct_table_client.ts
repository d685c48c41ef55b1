/** TableClient in the same thread: every call is done before it returns. For tests, simulations and small embedded stores. */
import type { Seal } from "./head.ts";
import type { Checkpoint, LogPiece, TableClient, TableVersion } from "./table_client.ts";
import type { TableWriter } from "./table_writer.ts";

export class DirectTableClient implements TableClient {
  readonly #writer: TableWriter;

  constructor(writer: TableWriter) {
    this.#writer = writer;
  }

  async appendLog(pieces: readonly LogPiece[], extraRecords?: Uint8Array): Promise<void> {
    this.#writer.appendLog(pieces, extraRecords);
  }

  async rollLog(): Promise<number> {
    return this.#writer.rollLog();
  }

  async seal(shard: number, seal: Seal, nextSeriesId: number): Promise<TableVersion> {
    return runToEnd(this.#writer.seal(shard, seal, nextSeriesId));
  }

  async checkpoint(checkpoint: Checkpoint, metadata: Uint8Array): Promise<TableVersion> {
    return this.#writer.checkpoint(checkpoint, metadata);
  }

  async merge(force: boolean): Promise<TableVersion> {
    return runToEnd(this.#writer.merge(force));
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

function runToEnd<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
