/** What the benchmark and its load generator, a process of its own, say to each other. */

/** The load: bodies of `perRequest` series, one sample each, `steps` times over all series. */
export interface LoadOptions {
  readonly series: number;
  readonly steps: number;
  readonly perRequest: number;
  readonly connections: number;
  readonly stepMs: number;
  /** Time of the last step. */
  readonly endMs: number;
}

/** Benchmark -> generator: where to send, all that was prepared. */
export interface GoMessage {
  readonly kind: "go";
  readonly port: number;
}

/** Generator -> benchmark. */
export type LoadMessage =
  | { readonly kind: "prepared"; readonly bodies: number; readonly bodyBytes: number; readonly rawBytes: number }
  /** A third of the load was acknowledged. */
  | { readonly kind: "third"; readonly samples: number }
  | {
      readonly kind: "done";
      readonly samples: number;
      readonly wallMs: number;
      readonly latencyMsP50: number;
      readonly latencyMsP99: number;
      readonly latencyMsMax: number;
      /** Requests that were refused with 429 or 503 and sent again. */
      readonly refused: number;
    }
  | { readonly kind: "failed"; readonly message: string };
