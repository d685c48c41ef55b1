/** How long a request may take. */
import { UnavailableError } from "../base/errors.ts";
import type { Api } from "./api.ts";
import type { Exchange } from "./exchange.ts";

/** What a timer of the runtime can wait. */
const timerMsMax = 2 ** 31 - 1;

/** Gives the request up after `limitMs` (0: never), with an error that names the flag; until the result is disposed of. */
export function limitDuration(api: Api, exchange: Exchange, limitMs: number, flag: string): Disposable | undefined {
  if (limitMs === 0 || limitMs > timerMsMax) return undefined;
  return api.clock.setTimer(limitMs, () => exchange.abort(new UnavailableError("query_timeout", `the request took longer than ${limitMs / 1000}s (${flag})`)));
}
