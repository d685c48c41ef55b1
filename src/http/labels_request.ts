/** What /api/v1/labels, label values and series share: selector, time range, limit. */
import type { Selector } from "../model/matcher.ts";
import { defaultTenant } from "../model/matcher.ts";
import type { LabelsRequest } from "../model/store.ts";
import type { Api } from "./api.ts";
import type { Exchange } from "./exchange.ts";
import { readDialect } from "./query_exchange.ts";
import type { RequestArguments } from "./request_arguments.ts";

/** Without a start the last day counts, as in VictoriaMetrics: all of a long retention would be slow and seldom meant. */
const defaultRangeMs = 86_400_000;

export function labelsRequest(api: Api, exchange: Exchange, requestArguments: RequestArguments, selector: Selector, limitMax: number): LabelsRequest {
  const nowMs = api.clock.nowMs();
  const dialect = readDialect(api, requestArguments);
  const maxMs = requestArguments.timeMs("end", nowMs, nowMs, dialect);
  const minMs = requestArguments.timeMs("start", nowMs, Math.max(0, maxMs - defaultRangeMs), dialect);
  const limit = requestArguments.count("limit", 0);
  return {
    tenant: defaultTenant,
    selector,
    range: { minMs: Math.min(minMs, maxMs), maxMs },
    limit: limit === 0 ? limitMax : Math.min(limit, limitMax),
    signal: exchange.signal,
  };
}
