// Natural order ("2.9" before "2.10", "Ä" beside "A") by comparable keys: 10 000 rows sort well within a frame,
// which a collator asked for each pair does not. Pure.

const cache = new Map<string, string>()
const CACHE_LIMIT = 60_000
/** Most names: nothing to take apart. */
const isAscii = /^[ -~]*$/

export function naturalKey(text: string): string {
  const known = cache.get(text)
  if (known !== undefined) return known
  const key = (isAscii.test(text) ? text : text.normalize('NFKD').replace(/\p{M}/gu, ''))
    .toLowerCase()
    .replace(/\d+/g, (digits) => digits.replace(/^0+(?=\d)/, '').padStart(12, '0'))
  if (cache.size >= CACHE_LIMIT) cache.clear()
  cache.set(text, key)
  return key
}

export type SortValue = string | number | null

/** Sorts by a value of each item, which is asked for once; equal items keep their order. */
export function sortByValue<Item>(items: readonly Item[], valueOf: (item: Item) => SortValue, descending: boolean): readonly Item[] {
  const keyed = items.map((item) => {
    const value = valueOf(item)
    return { item, empty: value === null || value === '', key: typeof value === 'string' ? naturalKey(value) : (value ?? '') }
  })
  const first = descending ? 1 : -1
  // What is empty stays last in both directions: it is what nobody looks for.
  keyed.sort((a, b) => (a.empty || b.empty ? Number(a.empty) - Number(b.empty) : a.key < b.key ? first : a.key > b.key ? -first : 0))
  return keyed.map(({ item }) => item)
}
