/** A disk of a few megabytes in memory that a test can fill and free. Mounting needs root on Linux. */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ballastChunkBytes = 64 << 10;

export class SmallDisk implements Disposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Mounts a disk; a text says why that is not possible here. */
  static mount(sizeMebibytes: number): SmallDisk | string {
    const path = mkdtempSync(join(tmpdir(), "tidemark-disk-"));
    const { status, stderr, error } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${sizeMebibytes}m`, "tidemark-test", path], { encoding: "utf8" });
    if (status === 0) return new SmallDisk(path);
    rmSync(path, { recursive: true });
    return (error?.message ?? stderr).trim();
  }

  /** Takes all space but about `leftBytes` (0: to the last byte). */
  fill(leftBytes: number): void {
    const file = openSync(join(this.path, "ballast"), "a");
    try {
      for (;;) {
        const { bavail, bsize } = statfsSync(this.path);
        const size = Math.min(ballastChunkBytes, bavail * bsize - leftBytes);
        if (size <= 0) return;
        writeSync(file, Buffer.alloc(size));
      }
    } finally {
      closeSync(file);
    }
  }

  /** Gives back what fill() took. */
  free(): void {
    rmSync(join(this.path, "ballast"), { force: true });
  }

  [Symbol.dispose](): void {
    spawnSync("umount", ["--lazy", this.path]);
    rmSync(this.path, { recursive: true, force: true });
  }
}
