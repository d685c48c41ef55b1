/** What a reader needs to read some series as they are at one moment, on whichever thread. Plain data: it can be posted to a worker. */
import type { Selector, Tenant } from "../model/matcher.ts";
import type { TimeRange } from "../model/store.ts";
import type { SeriesAlias } from "./series_aliases.ts";
import type { IndexSegmentRef, PartRef } from "./table_client.ts";

export interface SnapshotRequest {
  readonly tenant: Tenant;
  readonly selector: Selector;
  readonly range: TimeRange;
  /** See SearchRequest. */
  readonly viewsHistograms?: boolean;
}

export interface Snapshot {
  /** To be released by LocalStore.releaseSnapshot. */
  readonly pin: number;
  /** Ascending seriesIndexes by shard. */
  readonly series: readonly Uint32Array[];
  /** By shard: chunks of seals up to this number are in `parts`. */
  readonly publishedSeals: readonly number[];
  readonly parts: readonly PartRef[];
  /** To be searched too: the range begins before the live index knows all series. Empty most of the time. */
  readonly indexSegments: readonly IndexSegmentRef[];
  /** Those of `series` that have several ids; hardly ever any. */
  readonly aliases: readonly SeriesAlias[];
  /** The request asks for the view of histograms, and there may be some: the series are those of the view's selector. */
  readonly viewsHistograms?: boolean;
}
