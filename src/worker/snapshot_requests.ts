/** Snapshots that a query thread asks the main thread for, which has the indexes. */
import type { Snapshot, SnapshotRequest } from "../storage/snapshot.ts";
import { decodeError } from "./error_message.ts";
import type { QueryWorkerReply, QueryWorkerRequest } from "./query_messages.ts";
import type { SnapshotSource } from "./snapshot_store.ts";

export class SnapshotRequests implements SnapshotSource {
  readonly #post: (reply: QueryWorkerReply) => void;
  readonly #waiting = new Map<number, PromiseWithResolvers<Snapshot>>();
  #nextSnapshotId = 1;

  constructor(post: (reply: QueryWorkerReply) => void) {
    this.#post = post;
  }

  open(request: SnapshotRequest): Promise<Snapshot> {
    const snapshotId = this.#nextSnapshotId++;
    const waiting = Promise.withResolvers<Snapshot>();
    this.#waiting.set(snapshotId, waiting);
    this.#post({ kind: "openSnapshot", snapshotId, request });
    return waiting.promise;
  }

  release(pin: number): void {
    this.#post({ kind: "releaseSnapshot", pin });
  }

  receive({ snapshotId, snapshot, error }: Extract<QueryWorkerRequest, { kind: "snapshot" }>): void {
    const waiting = this.#waiting.get(snapshotId);
    this.#waiting.delete(snapshotId);
    if (snapshot !== undefined) waiting?.resolve(snapshot);
    else waiting?.reject(error === undefined ? new Error("no snapshot") : decodeError(error));
  }
}
