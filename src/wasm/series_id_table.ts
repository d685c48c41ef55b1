// Which seriesIndex each series id has, while a store starts. Ids are never given away twice, so those in use may lie far apart:
//
//   directory   u32 by id >> 12: address of a page, 0 if none of its ids is known
//   page        u32 by id & 4095: seriesIndex + 1, 0 if the id is not known
//
// The directory ends with the page of the highest id that may be asked for; kernel/series_id_table.ts makes the pages.

const PAGE_SHIFT: u32 = 12;
const PAGE_MASK: u32 = (1 << PAGE_SHIFT) - 1;

/** Address of the id's entry, 0 if it has no page. REQUIRES: the directory reaches to the id. */
@inline
export function idTableEntry(directory: usize, id: u32): usize {
  const page = load<u32>(directory + (((id >> PAGE_SHIFT) as usize) << 2)) as usize;
  return page == 0 ? 0 : page + (((id & PAGE_MASK) as usize) << 2);
}

/** seriesIndex + 1 of the id, 0 if it is not known. REQUIRES: the directory reaches to the id. */
@inline
export function idTableGet(directory: usize, id: u32): u32 {
  const entry = idTableEntry(directory, id);
  return entry == 0 ? 0 : load<u32>(entry);
}
