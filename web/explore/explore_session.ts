/**
 * The Explore page without its looks: the state from the URL, the requests that it leads to, and what came back. A new run aborts the one
 * before; what is on the screen stays until the new answers are complete.
 */
import { batch, computed, effect, signal, untracked } from "@preact/signals";
import type { ReadonlySignal } from "@preact/signals";
import { ClientError, runInSlices } from "../../client/index.ts";
import type { Client, QueryAnswer } from "../../client/index.ts";
import { navigate, pageLocation } from "../page_location.ts";
import { alignWindow, autoStepMs, rangeDurationMs, resolveRange, shiftRange, zoomOut } from "../time_range.ts";
import type { TimeRange } from "../time_range.ts";
import { parseExploreUrl, printExploreUrl } from "./explore_state.ts";
import type { ExploreState } from "./explore_state.ts";
import { makeGraphData } from "./graph_data.ts";
import type { GraphData, TimeGrid } from "./graph_data.ts";
import { rememberQuery } from "./query_history.ts";

/** What became of one query. */
export interface QueryOutcome {
  readonly expression: string;
  readonly answer: QueryAnswer | undefined;
  readonly error: ClientError | undefined;
}

/** What a run brought. */
export interface ExploreResult {
  readonly outcomes: readonly QueryOutcome[];
  readonly grid: TimeGrid;
  /** There for the tab "graph". */
  readonly graph: GraphData | undefined;
  readonly tab: ExploreState["tab"];
  readonly elapsedMs: number;
  readonly sizeBytes: number;
}

const typicalWidthPx = 1200;

/** One Explore page. */
export class ExploreSession {
  readonly client: Client;
  /** From the URL. */
  readonly state: ReadonlySignal<ExploreState> = computed(() => {
    const { search, hash } = pageLocation.value;
    return parseExploreUrl(search, hash, Date.now());
  });
  /** What stands in the query boxes. */
  readonly drafts = signal<readonly string[]>([""]);
  readonly result = signal<ExploreResult | undefined>(undefined);
  readonly isLoading = signal(false);
  /** Of the plot; the automatic step depends on it. */
  readonly widthPx = signal(typicalWidthPx);
  readonly stepMs = computed(() => this.state.value.stepMs ?? autoStepMs(rangeDurationMs(this.state.value.range), this.widthPx.value));
  #running: AbortController | undefined;

  constructor(client: Client) {
    this.client = client;
  }

  /** Begins to follow the URL and the refresh interval; returns how to stop. */
  start(): () => void {
    let expressions: readonly string[] = [];
    const stopRuns = effect(() => {
      const state = this.state.value;
      untracked(() => {
        // Another range must not throw away what somebody is typing.
        if (state.expressions.join("\0") !== expressions.join("\0")) this.drafts.value = state.expressions;
        expressions = state.expressions;
        void this.run();
      });
    });
    const stopTimer = effect(() => {
      const { refreshMs } = this.state.value;
      if (refreshMs === 0) return;
      const timer = setInterval(() => {
        if (!document.hidden && !this.isLoading.peek()) void this.run();
      }, refreshMs);
      return () => clearInterval(timer);
    });
    return () => {
      stopRuns();
      stopTimer();
      this.#running?.abort();
    };
  }

  /** Changes the state, and with it the URL; the same state is asked again. */
  change(part: Partial<ExploreState>): void {
    const url = `explore${printExploreUrl({ ...this.state.value, ...part })}`;
    const before = pageLocation.value;
    navigate(url);
    if (pageLocation.value === before) void this.run();
  }

  /** Runs what stands in the query boxes. */
  submit(): void {
    this.change({ expressions: this.drafts.value });
  }

  setDraft(index: number, expression: string): void {
    this.drafts.value = this.drafts.value.map((draft, i) => (i === index ? expression : draft));
  }

  addQuery(): void {
    this.drafts.value = [...this.drafts.value, ""];
  }

  /** Removes a query box, and what it showed. */
  removeQuery(index: number): void {
    const { expressions } = this.state.value;
    this.drafts.value = this.drafts.value.filter((_, i) => i !== index);
    if (index < expressions.length) this.change({ expressions: this.drafts.value });
  }

  setRange(range: TimeRange): void {
    this.change({ range });
  }

  shift(direction: -1 | 1): void {
    this.setRange(shiftRange(this.state.value.range, direction, Date.now()));
  }

  zoomOut(): void {
    this.setRange(zoomOut(this.state.value.range, Date.now()));
  }

  /** Asks for all queries of the state. */
  async run(): Promise<void> {
    this.#running?.abort();
    const controller = new AbortController();
    this.#running = controller;
    const state = this.state.peek();
    if (state.expressions.every((expression) => expression.trim() === "")) {
      batch(() => {
        this.result.value = undefined;
        this.isLoading.value = false;
      });
      return;
    }
    this.isLoading.value = true;
    try {
      const result = await this.#ask(state, controller.signal);
      if (controller.signal.aborted) return;
      batch(() => {
        this.result.value = result;
        this.isLoading.value = false;
      });
    } catch (error) {
      if (controller.signal.aborted) return; // a newer run took over
      this.isLoading.value = false;
      throw error;
    }
  }

  async #ask(state: ExploreState, signal: AbortSignal): Promise<ExploreResult> {
    const beginMs = performance.now();
    const stepMs = this.stepMs.peek();
    const grid = { ...alignWindow(resolveRange(state.range, Date.now()), stepMs), stepMs };
    const outcomes = await Promise.all(state.expressions.map((expression) => this.#askOne(expression, state, grid, signal)));
    const elapsedMs = performance.now() - beginMs;
    for (const { expression, error } of outcomes) if (error === undefined) rememberQuery(expression);
    const graph = state.tab === "graph" ? await runInSlices(makeGraphData(outcomes.map(({ answer }) => answer), grid), signal) : undefined;
    const sizeBytes = outcomes.reduce((sum, { answer }) => sum + (answer?.sizeBytes ?? 0), 0);
    return { outcomes, grid, graph, tab: state.tab, elapsedMs, sizeBytes };
  }

  async #askOne(query: string, state: ExploreState, grid: TimeGrid, signal: AbortSignal): Promise<QueryOutcome> {
    if (query.trim() === "") return { expression: query, answer: undefined, error: undefined };
    try {
      const answer = await (state.tab === "graph"
        ? this.client.queryRange({ query, startMs: grid.fromMs, endMs: grid.toMs, stepMs: grid.stepMs, signal })
        : this.client.query({ query, timeMs: resolveRange(state.range, Date.now()).toMs, signal }));
      return { expression: query, answer, error: undefined };
    } catch (error) {
      if (error instanceof ClientError) return { expression: query, answer: undefined, error };
      throw error;
    }
  }
}
