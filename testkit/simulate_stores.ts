/**
 * Runs many seeds of the store simulation: `npm run simulate -- --seeds=10000`. Every process takes the next seed as soon as it is done with one; a process
 * that hangs or dies is a failure of its seed, and another one goes on.
 *
 *   --seeds=N        how many; default 300
 *   --from=N         the first one; default 1
 *   --processes=N    default: one for each processor
 *   --verbose        tells everything that happens, in this process: to look at one seed
 *
 * The exit code is 1 if a seed fails; each failure is printed with the command that replays it.
 */
import { type ChildProcess, fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { simulateStore } from "./store_simulation.ts";

/** What a process answers for each seed that it is given. */
interface Answer {
  readonly seed: number;
  readonly failure?: string;
  readonly operationCount: number;
  readonly counts: Readonly<Record<string, number>>;
}

const seedMsMax = 120_000;
/** Memories of finished seeds are freed late, so processes are replaced now and then. */
const seedsPerProcess = 500;
const progressMs = 10_000;
const failuresMax = 20;

class SimulationRun {
  readonly #to: number;
  readonly #from: number;
  #next: number;
  #done = 0;
  #operations = 0;
  readonly #failures: string[] = [];
  readonly #counts: Record<string, number> = {};
  readonly #startMs = performance.now();
  #toldMs = 0;

  constructor(from: number, seeds: number) {
    this.#from = from;
    this.#next = from;
    this.#to = from + seeds;
  }

  /** Resolves with the number of failures. */
  async run(processes: number): Promise<number> {
    await Promise.all(Array.from({ length: processes }, () => this.#keepBusy()));
    this.#tell(true);
    const counts = Object.entries(this.#counts).toSorted().map(([what, count]) => `${what} ${count}`);
    write(`${this.#operations} file operations; ${counts.join(", ")}\n`);
    return this.#failures.length;
  }

  async #keepBusy(): Promise<void> {
    while (this.#next < this.#to && this.#failures.length < failuresMax) {
      const child = fork(fileURLToPath(import.meta.url), ["--child"], { execArgv: ["--disable-warning=ExperimentalWarning"], serialization: "json" });
      const isAlive = await this.#feed(child);
      if (isAlive) child.disconnect();
      else child.kill("SIGKILL");
    }
  }

  /** Gives the process one seed after the other. False when it is of no more use. */
  async #feed(child: ChildProcess): Promise<boolean> {
    for (let i = 0; i < seedsPerProcess && this.#next < this.#to && this.#failures.length < failuresMax; i++) {
      const seed = this.#next++;
      const answer = await ask(child, seed);
      this.#take(seed, answer);
      if (typeof answer === "string") return false;
    }
    return true;
  }

  #take(seed: number, answer: Answer | string): void {
    this.#done++;
    const failure = typeof answer === "string" ? `seed ${seed}: ${answer}` : answer.failure;
    if (failure !== undefined) {
      this.#failures.push(failure);
      write(`FAILED ${failure}\n  npm run simulate -- --seeds=1 --from=${seed} --verbose\n`);
    }
    if (typeof answer !== "string") {
      this.#operations += answer.operationCount;
      for (const [what, count] of Object.entries(answer.counts)) this.#counts[what] = (this.#counts[what] ?? 0) + count;
    }
    this.#tell(false);
  }

  #tell(isEnd: boolean): void {
    const passedMs = performance.now() - this.#startMs;
    if (!isEnd && passedMs - this.#toldMs < progressMs) return;
    this.#toldMs = passedMs;
    const rate = (this.#done * 1000) / passedMs;
    write(`${this.#done} of ${this.#to - this.#from} seeds from ${this.#from}, ${this.#failures.length} failed, ${rate.toFixed(1)} seeds/s\n`);
  }
}

/** The process' answer, or what became of it instead. */
async function ask(child: ChildProcess, seed: number): Promise<Answer | string> {
  const answer = Promise.withResolvers<Answer | string>();
  const timer = setTimeout(() => answer.resolve(`not done after ${seedMsMax / 1000} s`), seedMsMax);
  const ended = (code: number | null, signal: string | null): void => answer.resolve(`the process ended with ${signal ?? code}`);
  const told = (message: unknown): void => answer.resolve(message as Answer);
  child.once("exit", ended);
  child.once("message", told);
  child.send(seed, (error) => error !== null && answer.resolve(`the process takes no seed: ${error.message}`));
  const result = await answer.promise;
  clearTimeout(timer);
  child.off("exit", ended);
  child.off("message", told);
  return result;
}

/** The other side of ask(). */
function answerSeeds(): void {
  process.on("message", (seed: number) => {
    const answer = (message: Answer): void => void process.send?.(message);
    simulateStore(seed).then(
      ({ operationCount, counts }) => answer({ seed, operationCount, counts }),
      (error: unknown) => answer({ seed, failure: error instanceof Error ? error.message : String(error), operationCount: 0, counts: {} }),
    );
  });
}

async function tellAll(from: number, seeds: number): Promise<number> {
  let failures = 0;
  for (let seed = from; seed < from + seeds; seed++) {
    try {
      const { trace, sampleCount } = await simulateStore(seed, (line) => write(`${line}\n`));
      write(`seed ${seed}: passed, ${sampleCount} samples, trace ${trace.toString(16)}\n`);
    } catch (error) {
      failures++;
      write(`FAILED ${(error as Error).message}\n`);
      for (let cause = (error as Error).cause; cause instanceof Error; cause = cause.cause) write(`${cause.stack}\n`);
    }
  }
  return failures;
}

function write(text: string): void {
  process.stdout.write(text);
}

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "300" }, from: { type: "string", default: "1" }, processes: { type: "string" }, verbose: { type: "boolean" }, child: { type: "boolean" },
  },
});
if (values.child === true) {
  answerSeeds();
} else {
  const from = Number(values.from);
  const seeds = Number(values.seeds);
  const failures = values.verbose === true ? await tellAll(from, seeds) : await new SimulationRun(from, seeds).run(Number(values.processes ?? availableParallelism()));
  process.exitCode = failures > 0 ? 1 : 0;
}
