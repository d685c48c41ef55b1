/**
 * PeerThreads: the other query threads as one of them sees them. It asks those that are idle to help with a window of slices (SharedWindow), and passes on
 * what they ask for.
 */
import type { MessagePort } from "node:worker_threads";
import type { HelpedPart, HelpReply, HelpRequest, PeerMessage } from "./help_messages.ts";
import { SliceClaims } from "./slice_claims.ts";
import type { ThreadActivity } from "./thread_activity.ts";

/** More would wait for what the query's thread does alone. */
const helpersMax = 3;

export type WindowTask = Pick<HelpRequest, "columns" | "window" | "snapshot" | "request" | "work">;

export interface PeerThreadsOptions {
  readonly activity: ThreadActivity;
  /** Another thread asks for help. */
  readonly onHelp: (request: HelpRequest, reply: (answer: HelpReply) => void) => void;
  /** Whether further queries wait for this thread: then help for one would take a core from all. */
  readonly isCrowded: () => boolean;
  /** Fewer threads than could help were idle. */
  readonly onHelpWanted: () => void;
}

export class PeerThreads {
  readonly #options: PeerThreadsOptions;
  readonly #ports = new Map<number, MessagePort>();
  readonly #windows = new Map<number, SharedWindow>();
  #nextJobId = 1;

  constructor(options: PeerThreadsOptions) {
    this.#options = options;
  }

  /** A thread can be reached by `port`. The one that had its number before is gone. */
  add(thread: number, port: MessagePort): void {
    this.drop(thread);
    this.#ports.set(thread, port);
    port.on("message", (message: PeerMessage) => {
      if (message.kind === "helped") this.#windows.get(message.jobId)?.settle(message.slice, message.part);
      else this.#options.onHelp(message, (answer) => port.postMessage(answer, transfersOf(answer)));
    });
    port.on("close", () => {
      if (this.#ports.get(thread) === port) this.drop(thread);
    });
  }

  /** Hears no more of a thread, which has ended. */
  drop(thread: number): void {
    const port = this.#ports.get(thread);
    if (port === undefined) return;
    this.#ports.delete(thread);
    port.removeAllListeners("message");
    port.close();
    for (const window of this.#windows.values()) window.lose(thread);
  }

  /** Asks idle threads for help with a window; undefined if there are none, or if queries wait. */
  share(task: () => WindowTask): SharedWindow | undefined {
    const { activity, isCrowded, onHelpWanted } = this.#options;
    if (isCrowded()) return undefined;
    const idle = [...this.#ports].filter(([thread]) => activity.isIdle(thread)).slice(0, helpersMax);
    if (idle.length < helpersMax && this.#ports.size + 1 < activity.threads) onHelpWanted();
    if (idle.length === 0) return undefined;
    const jobId = this.#nextJobId++;
    const made = task();
    const window = new SharedWindow(made.window.slices.length, () => this.#windows.delete(jobId));
    this.#windows.set(jobId, window);
    for (const [, port] of idle) port.postMessage({ kind: "help", jobId, claims: window.claims.buffer, ...made } satisfies HelpRequest);
    return window;
  }
}

function transfersOf({ part }: HelpReply): ArrayBuffer[] {
  return part === undefined ? [] : [part.labelFrom.buffer, part.labelIds.buffer];
}

/** Slices that are claimed by the query's thread and by helping ones, and what those have sent of theirs. */
export class SharedWindow {
  readonly claims: SliceClaims;
  readonly #count: number;
  readonly #parts: PromiseWithResolvers<HelpedPart | undefined>[];
  readonly #settled: Uint8Array;
  readonly #forget: () => void;

  constructor(count: number, forget: () => void) {
    this.#count = count;
    this.#forget = forget;
    this.claims = SliceClaims.create(count);
    this.#parts = Array.from({ length: count }, () => Promise.withResolvers<HelpedPart | undefined>());
    this.#settled = new Uint8Array(count);
  }

  /** What a helping thread has made of a slice that it claimed; undefined if it failed or ended. */
  part(slice: number): Promise<HelpedPart | undefined> {
    return this.#parts[slice].promise;
  }

  /** Whether part() is settled. */
  hasPart(slice: number): boolean {
    return this.#settled[slice] === 1;
  }

  /** Whether all parts of helping threads are settled. REQUIRES: nothing is left to be claimed. */
  get isSettled(): boolean {
    return this.#settled.indexOf(0, this.claims.firstFromBack) < 0;
  }

  settle(slice: number, part: HelpedPart | undefined): void {
    this.#settled[slice] = 1;
    this.#parts[slice].resolve(part);
  }

  /** Nothing comes any more of the slices of a thread. */
  lose(thread: number): void {
    for (let slice = this.claims.firstFromBack; slice < this.#count; slice++) {
      const owner = this.claims.ownerOf(slice);
      if (this.#settled[slice] === 0 && (owner === undefined || owner === thread)) this.settle(slice, undefined);
    }
  }

  /** Nothing is claimed any more; resolves when helping threads have left what they claimed. */
  async end(): Promise<void> {
    this.claims.close();
    for (let slice = this.claims.firstFromBack; slice < this.#count; slice++) await this.#parts[slice].promise;
    this.#forget();
  }
}
