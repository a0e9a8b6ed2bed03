// Paths that a request may name by a number (draft-ietf-core-uri-path-abbrev-05 §3, §6.2).

const PATHS: ReadonlyMap<number, readonly string[]> = new Map<number, readonly string[]>([
  [0, ['.well-known', 'core']],
  [1, ['.well-known', 'rd']],
  [2, ['.well-known', 'edhoc']],
  ...['crts', 'sen', 'sren', 'skg', 'skc', 'att'].map((name, index) => [301 + index, ['.well-known', 'est', name]] as const),
  ...['es', 'rv', 'vs'].map((name, index) => [401 + index, ['.well-known', 'brski', name]] as const),
])

/** The path's segments; undefined for a number that stands for nothing known. */
export function abbreviatedPath(value: number): readonly string[] | undefined {
  return PATHS.get(value)
}
