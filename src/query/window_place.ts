/** What a query knows of the samples of long windows that are kept (window_search.ts). */
import type { ResultCache } from "./result_cache.ts";

/** Where the windows of a query may be kept. */
export interface WindowPlace {
  readonly cache: ResultCache;
  readonly keyPrefix: string;
  readonly nowMs: number;
}

/** The kept samples do not give what the Store's would. */
export class WindowMisfitError extends Error {}
