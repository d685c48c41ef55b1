/**
 * Counts the bytes that code asks for in typed arrays and WebAssembly memories. It replaces the global constructors, so it is for
 * a worker that does nothing else. An array that is too large to exist counts too, before the engine refuses it.
 */

export interface AllocationMeter {
  /** Bytes asked for since the last reset(). */
  readonly allocatedBytes: number;
  reset(): void;
}

const pageBytes = 65536;
const arrayNames = ["Uint8Array", "Uint16Array", "Uint32Array", "Int8Array", "Int16Array", "Int32Array", "Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array"] as const;

/** Starts counting. */
export function installAllocationMeter(): AllocationMeter {
  let allocatedBytes = 0;
  const count = (size: unknown, unitBytes: number): void => {
    if (typeof size === "number" && size > 0) allocatedBytes += size * unitBytes;
  };
  const constructors = globalThis as unknown as Record<string, new (...args: unknown[]) => object>;
  for (const name of arrayNames) {
    const original = constructors[name];
    const unitBytes = (original as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT;
    constructors[name] = new Proxy(original, {
      construct(target, args, newTarget) {
        count(args[0], unitBytes);
        return Reflect.construct(target, args, newTarget) as object;
      },
    });
  }
  const buffer = constructors["ArrayBuffer"];
  constructors["ArrayBuffer"] = new Proxy(buffer, {
    construct(target, args, newTarget) {
      count(args[0], 1);
      return Reflect.construct(target, args, newTarget) as object;
    },
  });
  const { grow } = WebAssembly.Memory.prototype;
  WebAssembly.Memory.prototype.grow = function growCounted(this: WebAssembly.Memory, pages: number): number {
    count(pages, pageBytes);
    return grow.call(this, pages);
  };
  return {
    get allocatedBytes() {
      return allocatedBytes;
    },
    reset() {
      allocatedBytes = 0;
    },
  };
}
