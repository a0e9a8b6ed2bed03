// Ranking of palette entries against what was typed. Pure.

export interface PaletteEntry {
  readonly id: string
  readonly label: string
  readonly hint: string
  /** Label and further words in lower case: what is searched. */
  readonly words: string
}

/** Every word must occur; a label that begins with the text comes first, then labels that contain it, then the rest. */
export function searchPalette<Entry extends PaletteEntry>(entries: readonly Entry[], text: string, limit: number): readonly Entry[] {
  const wanted = text.trim().toLowerCase()
  if (wanted === '') return entries.slice(0, limit)
  const parts = wanted.split(/\s+/)
  const found: Array<{ entry: Entry; rank: number }> = []
  for (const entry of entries) {
    if (!parts.every((part) => entry.words.includes(part))) continue
    const label = entry.label.toLowerCase()
    found.push({ entry, rank: label.startsWith(wanted) ? 0 : label.includes(wanted) ? 1 : 2 })
  }
  return found
    .sort((a, b) => a.rank - b.rank)
    .slice(0, limit)
    .map(({ entry }) => entry)
}
