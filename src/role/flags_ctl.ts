/** The flags of the tools (`tidemark ctl ...`), a table for each. Rows as in flags.ts. */
import type { FlagDeclaration } from "./flags.ts";
import { booleanType, wordType } from "./flag_types.ts";

export const verifyFlags = {
  "format": { type: wordType<"text" | "json">(["text", "json"]), default: "text", help: "Form of the report: text for people, json for machines" },
  "quiet": { type: booleanType, default: "false", help: "Do not tell on standard error how far it is" },
} satisfies Record<string, FlagDeclaration<unknown>>;
