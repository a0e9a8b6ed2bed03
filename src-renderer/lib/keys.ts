// Key combinations as people write them ("Mod+K", "Shift+Delete", "?"), matched against key events. Pure.

export interface KeyPress {
  readonly key: string
  readonly ctrlKey: boolean
  readonly metaKey: boolean
  readonly altKey: boolean
  readonly shiftKey: boolean
}

interface Combination {
  readonly key: string
  readonly mod: boolean
  readonly alt: boolean
  readonly shift: boolean
}

function parse(combination: string): Combination {
  const parts = combination.split('+')
  const key = parts.pop() ?? ''
  const named = new Set(parts.map((part) => part.toLowerCase()))
  return { key: (key === 'Space' ? ' ' : key).toLowerCase(), mod: named.has('mod'), alt: named.has('alt'), shift: named.has('shift') }
}

export function matchesKey(combination: string, press: KeyPress): boolean {
  const wanted = parse(combination)
  if (press.key.toLowerCase() !== wanted.key) return false
  if ((press.ctrlKey || press.metaKey) !== wanted.mod || press.altKey !== wanted.alt) return false
  // Signs such as "?" carry their own shift on most layouts; letters and named keys do not.
  const sign = wanted.key.length === 1 && !/[a-z ]/.test(wanted.key)
  return sign || press.shiftKey === wanted.shift
}

/** The combination in the signs of the platform, one part per key cap. */
export function keyCaps(combination: string, mac: boolean): readonly string[] {
  const names: Readonly<Record<string, string>> = mac
    ? { Mod: '⌘', Shift: '⇧', Alt: '⌥', Enter: '↵', Delete: '⌫' }
    : { Mod: 'Ctrl', Shift: 'Shift', Alt: 'Alt', Enter: '↵', Delete: 'Del' }
  return combination.split('+').map((part) => names[part] ?? (part.length === 1 ? part.toUpperCase() : part))
}
