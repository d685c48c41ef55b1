/** Door to the snappy block decoder. Source and target lie in the kernel's memory. */
import { InputError, LimitError } from "../base/errors.ts";
import type { Kernel } from "./kernel.ts";

/** Bytes behind the decoded data that decoding may overwrite: the target has room for the decoded size and these. */
export const snappyTargetSlackBytes = 64;
/** Bytes behind the source that decoding may read (and ignore). */
export const snappySourceSlackBytes = 16;

/** Three bytes of snappy make at most 64; a block that claims more is corrupt and is refused before memory is taken for it. */
const expansionMax = 22;

/**
 * The size a block says it decodes to, checked against `limitBytes` (named after the flag in `limitFlag`) before anything
 * is decoded. Throws InputError("corrupt_snappy") or LimitError("body_too_large").
 */
export function snappyDecodedSize(kernel: Kernel, source: number, size: number, limitBytes: number, limitFlag = "-maxInsertRequestSize"): number {
  const decodedSize = kernel.exports["snappyDecodedSize"](source, size);
  if (decodedSize < 0) throw new InputError("corrupt_snappy", "corrupt snappy body: no decoded size at byte 0", { offset: 0 });
  if (decodedSize > limitBytes) {
    throw new LimitError("body_too_large", `the snappy body decodes to ${decodedSize} bytes, the limit is ${limitBytes} (${limitFlag})`);
  }
  if (decodedSize > size * expansionMax) {
    throw new InputError("corrupt_snappy", `corrupt snappy body: ${size} bytes cannot decode to ${decodedSize}`, { offset: 0 });
  }
  return decodedSize;
}

/**
 * Decodes a block into `target`, which has room for snappyDecodedSize() + snappyTargetSlackBytes.
 * Throws InputError("corrupt_snappy") with the offset of the tag that does not fit.
 */
export function snappyDecode(kernel: Kernel, source: number, size: number, target: number): void {
  if (kernel.exports["snappyDecode"](source, size, target) === 1) return;
  const offset = kernel.exports["snappyFailedAt"]() >>> 0;
  throw new InputError("corrupt_snappy", `corrupt snappy body at byte ${offset} of ${size}`, { offset });
}
