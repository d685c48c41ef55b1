/** The entry of the process. */
import { runProgram } from "./program.ts";

await runProgram(process.argv.slice(2));
