/** The part of the Prometheus HTTP API that tests ask both sides for. */

export interface ApiSeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly value?: readonly [number, string];
  readonly values?: readonly (readonly [number, string])[];
}

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data: { readonly result: readonly ApiSeries[] };
}

/** An instant query; `time` in seconds, default now. */
export async function queryInstant(url: string, query: string, time?: number): Promise<readonly ApiSeries[]> {
  return ask(`${url}/api/v1/query`, { query, ...(time === undefined ? {} : { time: String(time) }) });
}

export async function queryRange(url: string, query: string, start: number, end: number, step: number): Promise<readonly ApiSeries[]> {
  return ask(`${url}/api/v1/query_range`, { query, start: String(start), end: String(end), step: String(step) });
}

/** The only value of a query, or undefined if it has no or more series. */
export async function queryNumber(url: string, query: string, time?: number): Promise<number | undefined> {
  const series = await queryInstant(url, query, time);
  return series.length === 1 ? Number(series[0].value![1]) : undefined;
}

async function ask(url: string, parameters: Record<string, string>): Promise<readonly ApiSeries[]> {
  const response = await fetch(url, { method: "POST", body: new URLSearchParams(parameters) });
  const answer = (await response.json()) as Answer;
  if (answer.status !== "success") throw new Error(`${parameters["query"]}: ${response.status} ${answer.error}`);
  return answer.data.result;
}

/** The times of all raw samples that match, in milliseconds, ascending. */
export async function exportTimesMs(url: string, match: string): Promise<number[]> {
  const text = await (await fetch(`${url}/api/v1/export?${new URLSearchParams({ "match[]": match })}`)).text();
  const lines = text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as { timestamps: number[] });
  return lines.flatMap(({ timestamps }) => timestamps).sort((a, b) => a - b);
}
