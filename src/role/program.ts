/**
 * What the program does: `tidemark [role] [flags]`. Without a role it is the single node.
 *
 * Exit codes: 0 stopped as asked, 1 could not start or go on, 2 the command line is wrong. Those of the tools: ctl.ts.
 */
import { readFileSync } from "node:fs";
import { createLogger, type Logger } from "../base/logger.ts";
import { nearestName } from "../base/nearest_name.ts";
import { runCtl } from "./ctl.ts";
import { type CommandLine, FlagError, parseCommandLine, printFlagHelp } from "./flag_parser.ts";
import { type SingleNode, startSingle } from "./single.ts";

const laterRoles: readonly string[] = ["insert", "select", "storage", "agent", "alert", "auth"];
const availableRoles: readonly string[] = ["single", "ctl", "version"];
/** The node is given this long to stop, and then ends anyway: what was acknowledged is in the log. */
const stopMsMax = 29_000;

const version = (JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }).version;

/** Follows a command line. */
export async function runProgram(commandArguments: readonly string[]): Promise<void> {
  const [first = ""] = commandArguments;
  if (first === "version") return printVersion();
  if (laterRoles.includes(first)) return fail(2, `role ${first} is not yet available; available: single, ctl`);
  let commandLine: CommandLine;
  try {
    if (first === "ctl") return process.exit(await runCtl(commandArguments.slice(1)));
    if (first !== "" && !first.startsWith("-") && !availableRoles.includes(first)) throw unknownRole(first);
    commandLine = parseCommandLine(first === "single" ? commandArguments.slice(1) : commandArguments);
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    return fail(2, error.message);
  }
  if (commandLine.help) return printHelp();
  if (commandLine.values.version) return printVersion();
  await runSingle(commandLine);
}

function unknownRole(name: string): FlagError {
  const nearest = nearestName(name, [...availableRoles, ...laterRoles]);
  return new FlagError(`unknown role ${JSON.stringify(name)}${nearest === undefined ? "" : `; did you mean ${nearest}?`} (roles and flags: tidemark -help)`);
}

async function runSingle({ values, warnings }: CommandLine): Promise<void> {
  const logger = createLogger({
    level: values.loggerLevel, format: values.loggerFormat, nowMs: () => Date.now(), write: (line) => process.stderr.write(line),
  });
  // Whoever read our output may be gone; that is no reason to stop.
  process.stdout.on("error", () => undefined);
  process.stderr.on("error", () => undefined);
  for (const warning of warnings) logger.warn(warning);
  process.on("uncaughtException", (error) => {
    logger.error(`stopping at a bug: ${error.stack ?? error.message}`);
    process.exit(1);
  });
  const node = startSingle({ flags: values, logger, version, onFatal: (error) => fail(1, error.message) });
  stopOnSignals(node, logger);
  try {
    const { url } = await node;
    process.stdout.write(`Tidemark ${version} is ready: UI and API at ${url}\n`);
  } catch (error) {
    fail(1, startFailure(error, values.httpListenAddr.port));
  }
}

/** The same signal again within this time is one event that came twice, from a supervisor and from its process group. */
const repeatMs = 300;

/** The first SIGTERM or SIGINT stops the node in order, a second one at once. SIGHUP reads the scrape configuration again. */
function stopOnSignals(starting: Promise<SingleNode>, logger: Logger): void {
  let stoppingSinceMs: number | undefined;
  const stop = (signal: string): void => {
    if (stoppingSinceMs !== undefined) {
      if (performance.now() - stoppingSinceMs < repeatMs) return;
      logger.warn(`second ${signal}: exiting at once`);
      process.exit(1);
    }
    stoppingSinceMs = performance.now();
    logger.info(`${signal}: stopping`);
    setTimeout(() => {
      logger.warn("stopping took too long; exiting, nothing acknowledged is lost");
      process.exit(0);
    }, stopMsMax).unref();
    void starting.then(async (node) => {
      await node[Symbol.asyncDispose]();
      logger.info("stopped");
      process.exit(0);
    }).catch((error: unknown) => fail(1, `could not stop in order: ${String(error)}`));
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("SIGHUP", () => {
    logger.info("SIGHUP: reading the configuration again");
    // A refusal is logged where it happens, and a node that cannot start ends the program.
    void starting.then((node) => node.reload()).catch(() => undefined);
  });
}

function startFailure(error: unknown, port: number): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === "EADDRINUSE") return `port ${port} is in use by another program; choose one with -httpListenAddr`;
  if (code === "EACCES") return `no permission to listen on port ${port}; choose another with -httpListenAddr`;
  return error instanceof Error ? error.message : String(error);
}

function printVersion(): void {
  process.stdout.write(`tidemark ${version}\n`);
}

function printHelp(): void {
  process.stdout.write(`Usage: tidemark [role] [flags]

  single     the whole of Tidemark in one process (the default)
  ctl        tools: tidemark ctl -help
  version    print the version

Flags, as -name=value, --name=value or --name value:

${printFlagHelp()}`);
}

function fail(code: number, message: string): void {
  process.stderr.write(`tidemark: ${message}\n`);
  process.exit(code);
}
