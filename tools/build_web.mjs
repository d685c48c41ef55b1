// Bundles the UI (web/main.tsx, web/style.css, web/index.html) into build/web with hashed names, and prints what a browser loads.
// `--if-stale` does nothing when the output is newer than every source. Runs on Node.js 20 too.
//
// index.html refers to its sources: src="./main.tsx" and href="./style.css" are replaced by the hashed files. Style sheets that
// main.tsx imports (those of libraries) are bundled and linked before style.css, which therefore wins.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { root } from "./setup.mjs";

const source = join(root, "web");
const target = join(root, "build", "web");
const entry = join(source, "main.tsx");
const page = join(source, "index.html");
const styles = join(source, "style.css");

if (!existsSync(entry) || !existsSync(page)) {
  process.stderr.write("web/main.tsx or web/index.html is missing: the UI is not built\n");
} else if (!(process.argv.includes("--if-stale") && isFresh())) {
  await bundle();
}

function isFresh() {
  const index = join(target, "index.html");
  if (!existsSync(index)) return false;
  const inputs = [join(root, "package-lock.json"), fileURLToPath(import.meta.url), ...filesIn(source), ...filesIn(join(root, "client"))];
  return statSync(index).mtimeMs > Math.max(...inputs.map((path) => statSync(path).mtimeMs));
}

function filesIn(folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((item) => item.isFile()).map((item) => join(item.parentPath ?? item.path, item.name));
}

async function bundle() {
  const { build } = await import("esbuild");
  const temporary = `${target}.${process.pid}`;
  const result = await build({
    absWorkingDir: root,
    entryPoints: existsSync(styles) ? [entry, styles] : [entry],
    outdir: join(temporary, "assets"),
    entryNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    jsx: "automatic",
    jsxImportSource: "preact",
    loader: { ".svg": "dataurl", ".woff2": "file" },
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
  });
  mkdirSync(temporary, { recursive: true });
  writeFileSync(join(temporary, "index.html"), linkPage(readFileSync(page, "utf8"), outputsOf(result.metafile, temporary)));
  rmSync(target, { recursive: true, force: true });
  renameSync(temporary, target);
  printSizes();
}

/** The outputs that the page needs, as paths relative to the page. */
function outputsOf(metafile, folder) {
  const outputs = {};
  const link = (path) => relative(folder, join(root, path)).split(sep).join("/");
  for (const [path, output] of Object.entries(metafile.outputs)) {
    if (output.entryPoint === "web/main.tsx") {
      outputs.script = link(path);
      if (output.cssBundle !== undefined) outputs.importedStyles = link(output.cssBundle);
    }
    if (output.entryPoint === "web/style.css") outputs.styles = link(path);
  }
  return outputs;
}

function linkPage(html, outputs) {
  const importedLink = outputs.importedStyles === undefined ? "" : `<link rel="stylesheet" href="./${outputs.importedStyles}">`;
  const linked = html
    .replace(/<link[^>]*href="[./]*style\.css"[^>]*>|<\/head>/, (tag) => importedLink + tag)
    .replace(/src="[./]*main\.tsx"/, `src="./${outputs.script}"`)
    .replace(/href="[./]*style\.css"/, `href="./${outputs.styles}"`);
  if (linked.includes("main.tsx") || !linked.includes(outputs.script)) throw new Error('web/index.html must load its script with src="./main.tsx"');
  return linked;
}

function printSizes() {
  let totalBytes = 0;
  for (const path of filesIn(target)) {
    const bytes = readFileSync(path);
    const gzipBytes = gzipSync(bytes, { level: 9 }).length;
    totalBytes += gzipBytes;
    process.stdout.write(`build/web/${relative(target, path)}  ${bytes.length} bytes, ${gzipBytes} gzip\n`);
  }
  process.stdout.write(`build/web: ${totalBytes} bytes gzip in all\n`);
}
