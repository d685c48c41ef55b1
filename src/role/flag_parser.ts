/**
 * Reads command lines as Go programs do, so that those of VictoriaMetrics keep working: `-flag=v`, `--flag=v`, `--flag v`, switches as
 * `-flag` or `-flag=false`; of a repeated flag the last one counts. Anything wrong is a FlagError, which the entry turns into exit code 2.
 */
import { nearestName } from "../base/nearest_name.ts";
import { compatibleFlags } from "./flag_compatibility.ts";
import { booleanType } from "./flag_types.ts";
import { type FlagDeclaration, type FlagName, flags, type FlagValues } from "./flags.ts";

/** A command line that cannot be followed; the message is for the user. */
export class FlagError extends Error {
  override readonly name = "FlagError";
}

export interface CommandLine {
  readonly values: FlagValues;
  /** As written, for the page of the flags; without those left at their default. */
  readonly written: ReadonlyMap<FlagName, string>;
  readonly help: boolean;
  /** One line each, to be logged. */
  readonly warnings: readonly string[];
}

interface WrittenFlag {
  readonly name: string;
  readonly value: string | undefined;
}

const declarations: Readonly<Record<string, FlagDeclaration<unknown>>> = flags;

/** Throws FlagError. */
export function parseCommandLine(commandArguments: readonly string[]): CommandLine {
  const written = new Map<FlagName, string>();
  const warnings: string[] = [];
  let help = false;
  for (let i = 0; i < commandArguments.length; i++) {
    const { name, value } = splitArgument(commandArguments[i]);
    if (name === "h" || name === "help") {
      help = true;
      continue;
    }
    const isSwitch = declarations[name]?.type === booleanType || compatibleFlags.get(name)?.isBoolean === true;
    if (declarations[name] === undefined && !compatibleFlags.has(name)) throw unknownFlag(name);
    if (value === undefined && !isSwitch && i + 1 >= commandArguments.length) throw new FlagError(`flag -${name} needs a value: -${name}=...`);
    const text = value ?? (isSwitch ? "true" : commandArguments[++i]);
    if (declarations[name] !== undefined) written.set(name as FlagName, text);
    else warnings.push(...compatibilityWarnings(name, text));
  }
  return { values: valuesOf(written), written, help, warnings };
}

/** Every flag with one line and its default. */
export function printFlagHelp(): string {
  const lines = Object.entries(declarations).map(([name, declaration]) => {
    const { placeholder } = declaration.type;
    const usage = `-${name}${placeholder === "" ? "" : `=<${placeholder}>`}`;
    return `  ${usage.padEnd(42)} ${declaration.help}${["", "false"].includes(declaration.default) ? "" : ` (default ${declaration.default})`}\n`;
  });
  return lines.join("");
}

function splitArgument(argument: string): WrittenFlag {
  const match = /^--?([^=-][^=]*)(?:=([^]*))?$/.exec(argument);
  if (match === null) throw new FlagError(`unexpected argument ${JSON.stringify(argument)}: flags look like -name=value, see -help`);
  return { name: match[1], value: match[2] };
}

function unknownFlag(name: string): FlagError {
  const nearest = nearestName(name, [...Object.keys(flags), ...compatibleFlags.keys()]);
  return new FlagError(`unknown flag -${name}${nearest === undefined ? "" : `; did you mean -${nearest}?`} (all flags: -help)`);
}

function compatibilityWarnings(name: string, text: string): string[] {
  const { kind } = compatibleFlags.get(name)!;
  if (kind === "meaningless") return [`flag -${name} has no meaning in Tidemark and is ignored`];
  if (kind === "pending") return [`flag -${name} is not available yet and is ignored`];
  if (text === "" || text === "false") return [];
  throw new FlagError(`flag -${name} is not available yet, and without it the server would be less protected than you ask for; leave it out and protect the server by other means, such as a proxy or -httpListenAddr=127.0.0.1:8428`);
}

function valuesOf(written: ReadonlyMap<FlagName, string>): FlagValues {
  const values: Record<string, unknown> = {};
  for (const [name, declaration] of Object.entries(declarations)) {
    const text = written.get(name as FlagName);
    const value = declaration.type.parse(text ?? declaration.default);
    if (value === undefined) throw new FlagError(`bad value ${JSON.stringify(text)} of flag -${name}; allowed: ${declaration.type.allowed}`);
    values[name] = value;
  }
  return values as FlagValues;
}
