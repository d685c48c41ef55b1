/** Command lines of the tools: flags as the program has them (`-name=value`, `--name value`, switches), and operands. */
import { nearestName } from "../base/nearest_name.ts";
import { FlagError } from "./flag_parser.ts";
import { booleanType } from "./flag_types.ts";
import type { FlagDeclaration } from "./flags.ts";

type Declarations = Readonly<Record<string, FlagDeclaration<unknown>>>;

export interface ToolArguments<D extends Declarations> {
  readonly values: { readonly [Name in keyof D]: D[Name] extends FlagDeclaration<infer T> ? T : never };
  /** What is no flag, in order. */
  readonly operands: readonly string[];
  readonly help: boolean;
}

/** Throws FlagError. What follows `--` are operands. */
export function parseToolArguments<D extends Declarations>(declarations: D, commandArguments: readonly string[]): ToolArguments<D> {
  const written = new Map<string, string>();
  const operands: string[] = [];
  let help = false;
  for (let i = 0; i < commandArguments.length; i++) {
    const argument = commandArguments[i];
    if (argument === "--") {
      operands.push(...commandArguments.slice(i + 1));
      break;
    }
    const match = /^--?([^=-][^=]*)(?:=([^]*))?$/.exec(argument);
    if (match === null) {
      operands.push(argument);
      continue;
    }
    const [, name, value] = match;
    if (name === "h" || name === "help") {
      help = true;
      continue;
    }
    const declaration = declarations[name];
    if (declaration === undefined) throw unknownFlag(name, declarations);
    const isSwitch = declaration.type === booleanType;
    if (value === undefined && !isSwitch && i + 1 >= commandArguments.length) throw new FlagError(`flag -${name} needs a value: -${name}=...`);
    written.set(name, value ?? (isSwitch ? "true" : commandArguments[++i]));
  }
  return { values: valuesOf(declarations, written), operands, help };
}

function unknownFlag(name: string, declarations: Declarations): FlagError {
  const nearest = nearestName(name, Object.keys(declarations));
  return new FlagError(`unknown flag -${name}${nearest === undefined ? "" : `; did you mean -${nearest}?`}`);
}

function valuesOf<D extends Declarations>(declarations: D, written: ReadonlyMap<string, string>): ToolArguments<D>["values"] {
  const values = Object.entries(declarations).map(([name, { type, default: defaultText }]) => {
    const text = written.get(name) ?? defaultText;
    const value = type.parse(text);
    if (value === undefined) throw new FlagError(`bad value ${JSON.stringify(text)} of flag -${name}; allowed: ${type.allowed}`);
    return [name, value];
  });
  return Object.fromEntries(values) as ToolArguments<D>["values"];
}

/** One line for each flag. */
export function printToolFlags(declarations: Declarations): string {
  return Object.entries(declarations)
    .map(([name, { type, help }]) => `  ${`-${name}${type.placeholder === "" ? "" : `=<${type.placeholder}>`}`.padEnd(28)} ${help}\n`)
    .join("");
}
