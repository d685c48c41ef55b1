/**
 * The built UI in memory: small, read once at the start, compressed once. File names below assets/ carry a hash of their content and may
 * be kept by browsers forever; the page itself is asked for again each time and answered with 304 when it is the same.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { gzipSync } from "node:zlib";
import type { Exchange } from "./exchange.ts";

interface StaticFile {
  readonly bytes: Buffer;
  readonly gzip: Buffer | undefined;
  readonly etag: string;
  readonly contentType: string;
  readonly isImmutable: boolean;
}

const contentTypes: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  json: "application/json",
  map: "application/json",
  svg: "image/svg+xml",
  png: "image/png",
  ico: "image/x-icon",
  woff2: "font/woff2",
  txt: "text/plain; charset=utf-8",
  webmanifest: "application/manifest+json",
};

/** Only what comes from this server, no inline script, no plug-ins, no foreign frames. */
const securityHeaders = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

export class StaticFiles {
  readonly #files: ReadonlyMap<string, StaticFile>;

  private constructor(files: ReadonlyMap<string, StaticFile>) {
    this.#files = files;
  }

  /** Reads a folder; undefined if it has no index.html. */
  static read(folder: string): StaticFiles | undefined {
    const files = new Map<string, StaticFile>();
    try {
      for (const item of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        if (!item.isFile()) continue;
        const full = join(item.parentPath, item.name);
        const path = full.slice(folder.replace(/[/\\]+$/, "").length + 1).split(sep).join("/");
        files.set(path, staticFile(path, readFileSync(full)));
      }
    } catch {
      return undefined; // not built
    }
    return files.has("index.html") ? new StaticFiles(files) : undefined;
  }

  /** Answers with the file at `path` ("index.html", "assets/main-X.js"); false if there is none. */
  send(exchange: Exchange, path: string): boolean {
    const file = this.#files.get(path);
    if (file === undefined) return false;
    const cacheControl = file.isImmutable ? "public, max-age=31536000, immutable" : "no-cache";
    const headers = { ...securityHeaders, ETag: file.etag, "Cache-Control": cacheControl, Vary: "Accept-Encoding" };
    if (exchange.header("if-none-match").split(/\s*,\s*/).includes(file.etag.toLowerCase())) {
      exchange.sendEmpty(304, headers);
      return true;
    }
    const useGzip = file.gzip !== undefined && exchange.acceptsGzip();
    exchange.sendBytes(200, useGzip ? file.gzip! : file.bytes, { ...headers, "Content-Type": file.contentType, ...(useGzip ? { "Content-Encoding": "gzip" } : {}) });
    return true;
  }
}

function staticFile(path: string, bytes: Buffer): StaticFile {
  const extension = path.slice(path.lastIndexOf(".") + 1);
  const compressed = /^(html|js|css|json|map|svg|txt|webmanifest)$/.test(extension) && bytes.length > 256 ? gzipSync(bytes, { level: 9 }) : undefined;
  return {
    bytes,
    gzip: compressed,
    etag: `W/"${createHash("sha256").update(bytes).digest("hex").slice(0, 20)}"`,
    contentType: contentTypes[extension] ?? "application/octet-stream",
    isImmutable: path.startsWith("assets/"),
  };
}
