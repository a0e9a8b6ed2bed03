// Counts and nested maps that the book is indexed by.

export function count(uses: Map<string, number>, key: string, by: 1 | -1): void {
  const now = (uses.get(key) ?? 0) + by
  if (now > 0) uses.set(key, now)
  else uses.delete(key)
}

export function indexed<Outer, Inner, Value>(index: Map<Outer, Map<Inner, Value>>, key: Outer): Map<Inner, Value> {
  const inner = index.get(key) ?? new Map<Inner, Value>()
  index.set(key, inner)
  return inner
}

export function unindex<Outer, Inner, Value>(index: Map<Outer, Map<Inner, Value>>, outer: Outer, inner: Inner): void {
  const entries = index.get(outer)
  entries?.delete(inner)
  if (entries?.size === 0) index.delete(outer)
}
