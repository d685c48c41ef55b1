// Plain byte kernels.

/** Whether the `size` bytes at `left` and `right` are equal. */
export function bytesEqual(left: usize, right: usize, size: usize): bool {
  let i: usize = 0;
  for (; i + 16 <= size; i += 16) {
    if (v128.any_true(v128.xor(v128.load(left + i), v128.load(right + i)))) return false;
  }
  for (; i < size; i++) if (load<u8>(left + i) != load<u8>(right + i)) return false;
  return true;
}

/** First byte after the constants of the module; everything from here on belongs to the caller. */
export function heapBase(): usize {
  return __heap_base;
}
