/** The tools: `tidemark ctl <tool> ...`. One row for each; new ones are added here. */
import { nearestName } from "../base/nearest_name.ts";
import { runVerify } from "./ctl_verify.ts";

interface Tool {
  /** What follows the name in the usage line. */
  readonly operands: string;
  readonly help: string;
  /** Resolves with the exit code. Throws FlagError for a wrong command line. */
  readonly run: (commandArguments: readonly string[]) => Promise<number>;
}

const tools: Readonly<Record<string, Tool>> = {
  verify: { operands: "[flags] <directory>", help: "read a whole data directory and report damage", run: runVerify },
};

/** Runs a tool; resolves with the exit code of the process. */
export async function runCtl(commandArguments: readonly string[]): Promise<number> {
  const [name = "-help", ...rest] = commandArguments;
  if (/^--?h(elp)?$/.test(name) || name === "help") {
    process.stdout.write(printHelp());
    return 0;
  }
  const tool = Object.hasOwn(tools, name) ? tools[name] : undefined;
  if (tool !== undefined) return await tool.run(rest);
  const nearest = nearestName(name, Object.keys(tools));
  process.stderr.write(`tidemark: unknown tool ${JSON.stringify(name)}${nearest === undefined ? "" : `; did you mean ${nearest}?`} (all tools: tidemark ctl -help)\n`);
  return 2;
}

function printHelp(): string {
  const rows = Object.entries(tools).map(([name, { operands, help }]) => `  ${`${name} ${operands}`.padEnd(30)} ${help}\n`);
  return `Usage: tidemark ctl <tool> ...\n\n${rows.join("")}\ntidemark ctl <tool> -help tells more about one.\n`;
}
