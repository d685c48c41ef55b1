/**
 * The Tidemark client: typed access to the HTTP API from Node.js and browsers, without dependencies.
 *
 *   const client = new Client({ baseUrl: "http://localhost:8428/" });
 *   const answer = await client.queryRange({ query: "up", startMs, endMs, stepMs: 15_000 });
 *   for (const { labels, timestampsMs, values } of answer.series) { ... }
 */
export { Client } from "./client.ts";
export type { ClientOptions, InstantQuery, MetricMetadata, RangeQuery, RequestOptions, SeriesQuery } from "./client.ts";
export type { QueryAnswer, Series } from "./answer_parser.ts";
export { AnswerError, ApiError, ClientError, ConnectionError, errorOffset } from "./errors.ts";
export type { ErrorPosition } from "./error_position.ts";
export { runInSlices } from "./time_slice.ts";
