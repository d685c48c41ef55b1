/**
 * The load generator: prepares all bodies in memory, then sends them over keep-alive connections, each connection the bodies of its share
 * of the series in order of time, one request in flight, as a sharded remote-write sender does. Started by run.ts with LoadOptions.
 */
import { Agent, request } from "node:http";
import type { GoMessage, LoadMessage, LoadOptions } from "./load_messages.ts";
import { BodyTemplate } from "./remote_write_body.ts";

const options = JSON.parse(process.argv[2]) as LoadOptions;
const { shares, rawBytes } = prepareShares();
const bodies = shares.flat();
say({ kind: "prepared", bodies: bodies.length, bodyBytes: bodies.reduce((sum, { bytes }) => sum + bytes.length, 0), rawBytes });
process.once("disconnect", () => process.exit(1));
process.on("message", (message: GoMessage) => {
  sendAll(message.port).then(say, (cause: unknown) => say({ kind: "failed", message: String(cause) }));
});

interface Body {
  readonly bytes: Uint8Array;
  readonly samples: number;
}

function say(message: LoadMessage): void {
  process.send!(message);
}

/** The bodies of each connection, in the order in which they are sent. */
function prepareShares(): { shares: Body[][]; rawBytes: number } {
  const templates: { template: BodyTemplate; samples: number }[] = [];
  for (let from = 0; from < options.series; from += options.perRequest) {
    const to = Math.min(from + options.perRequest, options.series);
    templates.push({ template: new BodyTemplate(from, to), samples: to - from });
  }
  const shares = Array.from({ length: options.connections }, (): Body[] => []);
  let size = 0;
  for (let step = 0; step < options.steps; step++) {
    const timestampMs = options.endMs - (options.steps - 1 - step) * options.stepMs;
    templates.forEach(({ template, samples }, i) => {
      shares[i % options.connections].push({ bytes: template.body(timestampMs), samples });
      size += template.rawBytes;
    });
  }
  return { shares, rawBytes: size };
}

async function sendAll(port: number): Promise<LoadMessage> {
  const total = bodies.reduce((sum, { samples }) => sum + samples, 0);
  const latenciesMs: number[] = [];
  let acknowledged = 0;
  let thirds = 1;
  let refused = 0;
  const beginMs = performance.now();
  await Promise.all(
    shares.map(async (share) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      for (const body of share) {
        for (;;) {
          const sentMs = performance.now();
          const status = await post(agent, port, body.bytes);
          if (status !== 429 && status !== 503) {
            latenciesMs.push(performance.now() - sentMs);
            break;
          }
          refused++;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        acknowledged += body.samples;
        for (; thirds < 3 && acknowledged >= (total * thirds) / 3; thirds++) say({ kind: "third", samples: acknowledged });
      }
      agent.destroy();
    }),
  );
  const wallMs = performance.now() - beginMs;
  latenciesMs.sort((left, right) => left - right);
  const quantile = (q: number): number => latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(q * latenciesMs.length))];
  return { kind: "done", samples: total, wallMs, latencyMsP50: quantile(0.5), latencyMsP99: quantile(0.99), latencyMsMax: quantile(1), refused };
}

/** Sends one body; resolves to the status if that means "done" or "later". */
function post(agent: Agent, port: number, bytes: Uint8Array): Promise<number> {
  const headers = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
    "Content-Length": bytes.length,
  };
  return new Promise((resolve, reject) => {
    const sent = request({ agent, host: "127.0.0.1", port, path: "/api/v1/write", method: "POST", headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("error", reject);
      response.on("end", () => {
        const status = response.statusCode!;
        if (status < 300 || status === 429 || status === 503) resolve(status);
        else reject(new Error(`write was answered with ${status}: ${text.slice(0, 500)}`));
      });
    });
    sent.on("error", reject);
    sent.end(bytes);
  });
}
