/** What a Markdown page claims about the program: commands, flags and HTTP paths in its code. */

/** Lines of code blocks and inline code spans, without their fences. */
export function codeIn(markdown: string): string[] {
  const blocks: string[] = [];
  const prose = markdown.replace(/^```[^\n]*\n([\s\S]*?)^```/gm, (_block: string, code: string) => {
    blocks.push(...code.replaceAll("\\\n", " ").split("\n"));
    return "";
  });
  return [...blocks, ...[...prose.matchAll(/`([^`\n]+)`/g)].map((match) => match[1])];
}

/** Names of npm scripts that the page tells to run. */
export function commandsIn(markdown: string): string[] {
  return codeIn(markdown).flatMap((line) => [...line.matchAll(/\bnpm (?:run (?:-s )?([\w:]+)|(start|test)\b)/g)].map((match) => match[1] ?? match[2]));
}

/** Names of our flags: tokens with a dash in code, except the options of other programs. */
export function flagsIn(markdown: string): string[] {
  return codeIn(markdown).flatMap((line) => {
    const ours = /^\s*(?:[A-Z_]+=\S+ )*(npm|npx|node|curl|git|sh|bash|docker|kill|apt-get)\b/.test(line) ? (/\snpm? .*?\s--\s(.*)/.exec(` ${line}`)?.[1] ?? "") : line;
    if (/^\s*(?:npm run \S|\S*bench\/run\.ts)/.test(line)) return []; // tools have options of their own
    return [...ours.matchAll(/(?<=^|\s)--?([A-Za-z][\w.]*)/g)].map((match) => match[1]);
  });
}

/** Paths of URLs on the local server, without the query; parts in angle brackets and what follows them are cut. */
export function pathsIn(markdown: string): string[] {
  return codeIn(markdown).flatMap((line) => [...line.matchAll(/https?:\/\/(?:localhost|127\.0\.0\.1):\d+(\/[\w/.-]*)/g)].map((match) => match[1]));
}
