/** How much memory there is. */
import { totalmem } from "node:os";

/** Bytes of memory of the machine, or of the container if that is limited to less. */
export function machineMemoryBytes(): number {
  const limitBytes = process.constrainedMemory(); // 0 or beyond all measure when there is no limit
  return limitBytes > 0 && limitBytes < totalmem() ? limitBytes : totalmem();
}
