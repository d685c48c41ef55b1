/**
 * Answers of /api/v1/labels, label values and series that are kept: dashboards and editors ask the same again and again, and what they ask about changes only
 * when a series is new, or has samples on a day on which it had none. The Store knows (Store.labelState), so an answer is never older than its question.
 */
import type { LabelsRequest, Store } from "../model/store.ts";
import { BoundedCache } from "../query/bounded_cache.ts";

/** {"status":"success","data":[...]} */
export function stringsBody(strings: readonly string[]): Uint8Array {
  return Buffer.from(JSON.stringify({ status: "success", data: strings }));
}

const bytesMax = 16 << 20;
const entryOverheadBytes = 256;

export class LabelAnswers {
  readonly #store: Store;
  readonly #isOff: boolean;
  readonly #bodies = new BoundedCache<Uint8Array>(bytesMax);
  /** Of all bodies. */
  #version = "";

  /** `isOff`: nothing is kept. */
  constructor(store: Store, isOff: boolean) {
    this.#store = store;
    this.#isOff = isOff;
  }

  /** The answer to a question, made anew if it is not there. `question` is what it depends on besides the request. */
  async get(question: readonly string[], request: LabelsRequest, make: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const state = this.#isOff ? undefined : this.#store.labelState?.(request.range);
    if (state === undefined) return make();
    if (state.version !== this.#version) this.#bodies.clear();
    this.#version = state.version;
    const { tenant, selector, limit } = request;
    const key = JSON.stringify([question, tenant, selector, limit, state.range]);
    const kept = this.#bodies.get(key);
    if (kept !== undefined) return kept;
    const body = await make();
    // What has changed since the question may be in the answer or not.
    if (this.#version === state.version) this.#bodies.set(key, body, body.length + key.length * 2 + entryOverheadBytes);
    return body;
  }
}
