/**
 * ns per sample of a remote write body: snappy, and the walk to columns. Run: node src/kernel/remote_write.bench.ts
 * The body is 10,000 series with one sample and 10 labels.
 */
import { pathToFileURL } from "node:url";
import { RemoteWriteParser } from "../protocol/remote_write.ts";
import { encodeWriteRequest, fleetSeries, snappyCompress } from "../../testkit/remote_write_body.ts";
import { labelsOf } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { Kernel } from "./kernel.ts";
import { bodySlackBytes } from "./label_run.ts";
import { snappyDecode, snappyDecodedSize, snappySourceSlackBytes, snappyTargetSlackBytes } from "./snappy.ts";

export interface RemoteWriteFigures {
  readonly compressedBytes: number;
  readonly decodedBytes: number;
  readonly snappyNs: number;
  /** Labels in canonical order: used in place. */
  readonly walkNs: number;
  /** Labels in another order: rewritten. */
  readonly unsortedWalkNs: number;
  /** With an extra label: rewritten. */
  readonly extraLabelWalkNs: number;
}

/** Median CPU time of `rounds` runs in ns per sample; time slices of other processes do not count. */
function measure(rounds: number, samples: number, run: () => void): number {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    const beforeNs = process.hrtime.bigint();
    run();
    const wallNs = Number(process.hrtime.bigint() - beforeNs);
    const used = process.cpuUsage(before);
    times.push(Math.min(wallNs, (used.user + used.system) * 1000 || wallNs) / samples);
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
}

export function runRemoteWriteBench(options: { seriesCount: number; rounds: number }): RemoteWriteFigures {
  const kernel = new Kernel();
  const parser = new RemoteWriteParser(kernel);
  const series = fleetSeries(options.seriesCount, 1_700_000_000_000);
  const decoded = encodeWriteRequest(series);
  const compressed = snappyCompress(decoded);
  const source = kernel.allocate(compressed.length + snappySourceSlackBytes);
  const target = kernel.allocate(decoded.length + Math.max(snappyTargetSlackBytes, bodySlackBytes));
  kernel.u8.set(compressed, source);
  const walk = (extra: Record<string, string>) => (): void => {
    parser.start(target, decoded.length, { tenant: defaultTenant, extraLabels: labelsOf(extra), nowMs: 0 });
    while (parser.next() !== undefined);
  };
  const snappyNs = measure(options.rounds, options.seriesCount, () => {
    snappyDecodedSize(kernel, source, compressed.length, 1 << 30);
    snappyDecode(kernel, source, compressed.length, target);
  });
  const walkNs = measure(options.rounds, options.seriesCount, walk({}));
  const extraLabelWalkNs = measure(options.rounds, options.seriesCount, walk({ region: "eu" }));
  kernel.u8.set(encodeWriteRequest(series.map((one) => ({ ...one, labels: one.labels.toReversed() }))), target);
  const unsortedWalkNs = measure(options.rounds, options.seriesCount, walk({}));
  return { compressedBytes: compressed.length, decodedBytes: decoded.length, snappyNs, walkNs, unsortedWalkNs, extraLabelWalkNs };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const figures = runRemoteWriteBench({ seriesCount: 10_000, rounds: 101 });
  process.stdout.write(`${JSON.stringify(figures, (_, value: unknown) => (typeof value === "number" ? Math.round(value * 10) / 10 : value), 2)}\n`);
}
