/** Plain twin of the snappy decoder: the decoded bytes, or undefined when the block is corrupt. */
export function snappyDecodeReference(source: Uint8Array): Uint8Array | undefined {
  let from = 0;
  let size = 0;
  for (let i = 0; ; i++) {
    if (i >= 5 || from >= source.length) return undefined;
    const byte = source[from++];
    size += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) break;
  }
  if (size > source.length * 22) return undefined;
  const target = new Uint8Array(size);
  let to = 0;
  while (from < source.length) {
    const tag = source[from++];
    const kind = tag & 3;
    const sizeBytes = kind === 0 ? Math.max(0, (tag >> 2) - 59) : [0, 1, 2, 4][kind];
    if (from + sizeBytes > source.length) return undefined;
    let number = 0;
    for (let i = 0; i < sizeBytes; i++) number += source[from++] * 256 ** i;
    if (kind === 0) {
      const length = (sizeBytes === 0 ? tag >> 2 : number) + 1;
      if (from + length > source.length || to + length > size) return undefined;
      target.set(source.subarray(from, from + length), to);
      from += length;
      to += length;
      continue;
    }
    const length = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    const distance = kind === 1 ? ((tag >> 5) << 8) | number : number;
    if (distance === 0 || distance > to || to + length > size) return undefined;
    for (let i = 0; i < length; i++, to++) target[to] = target[to - distance];
  }
  return to === size ? target : undefined;
}
