// I-Regexp (RFC 9485) over group names, matched by sets of positions: no input makes it slow, which backtracking engines cannot promise.
// Anchors, which examples write though I-Regexp has none, are taken at the ends.

type Matcher =
  | { readonly kind: 'one'; readonly accepts: (letter: string) => boolean }
  | { readonly kind: 'sequence'; readonly parts: readonly Matcher[] }
  | { readonly kind: 'choice'; readonly parts: readonly Matcher[] }
  | { readonly kind: 'repeat'; readonly part: Matcher; readonly min: number; readonly max: number }

const MAX_PATTERN_LENGTH = 256
const MAX_REPEAT = 256
const MAX_DEPTH = 16
const MAX_INPUT_LENGTH = 256

/** Undefined for what is no I-Regexp, or too large. */
export function parseIRegexp(pattern: string): Matcher | undefined {
  if (pattern.length > MAX_PATTERN_LENGTH) return undefined
  const start = pattern.startsWith('^') ? 1 : 0
  const end = pattern.endsWith('$') && !pattern.endsWith('\\$') ? pattern.length - 1 : pattern.length
  const parser = new Parser(Array.from(pattern.slice(start, Math.max(start, end))))
  const matcher = parser.choice(0)
  return parser.failed || !parser.atEnd ? undefined : matcher
}

/** Whether the whole name matches; false for patterns that are none. */
export function matchesIRegexp(pattern: string, name: string): boolean {
  const matcher = parseIRegexp(pattern)
  const letters = Array.from(name)
  if (matcher === undefined || letters.length > MAX_INPUT_LENGTH) return false
  return step(matcher, letters, new Set([0])).has(letters.length)
}

/** Where one can be after the matcher, having been at one of these places before it. */
function step(matcher: Matcher, letters: readonly string[], from: ReadonlySet<number>): ReadonlySet<number> {
  switch (matcher.kind) {
    case 'one': {
      const next = new Set<number>()
      for (const at of from) {
        const letter = letters[at]
        if (letter !== undefined && matcher.accepts(letter)) next.add(at + 1)
      }
      return next
    }
    case 'sequence':
      return matcher.parts.reduce((places, part) => (places.size === 0 ? places : step(part, letters, places)), from)
    case 'choice':
      return new Set(matcher.parts.flatMap((part) => [...step(part, letters, from)]))
    case 'repeat': {
      const reached = new Set(matcher.min === 0 ? from : [])
      let places = from
      for (let round = 1; round <= matcher.max && places.size > 0; round++) {
        const next = step(matcher.part, letters, places)
        // Rounds beyond the least number matter only where they lead to new places.
        places = round < matcher.min ? next : new Set([...next].filter((at) => !reached.has(at)))
        if (round >= matcher.min) for (const at of places) reached.add(at)
      }
      return reached
    }
  }
}

/** Single-character escapes (RFC 9485 §3). */
const ESCAPES = new Map<string, string>([
  ...Array.from('()*+-.?[\\]^{|}').map((letter): [string, string] => [letter, letter]),
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])
const SPECIAL = new Set('()*+.?[\\]{|}')
const CATEGORIES = /^(L[ulmto]?|M[nce]?|N[dlo]?|P[cdseifo]?|Z[slp]?|S[mcko]?|C[cfno]?)$/

class Parser {
  readonly #letters: readonly string[]
  #at = 0
  failed = false

  constructor(letters: readonly string[]) {
    this.#letters = letters
  }

  get atEnd(): boolean {
    return this.#at === this.#letters.length
  }

  choice(depth: number): Matcher {
    if (depth > MAX_DEPTH) this.failed = true
    const parts = [this.#sequence(depth)]
    while (!this.failed && this.#take('|')) parts.push(this.#sequence(depth))
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: 'choice', parts }
  }

  #sequence(depth: number): Matcher {
    const parts: Matcher[] = []
    while (!this.failed && !this.atEnd && this.#peek() !== '|' && this.#peek() !== ')') parts.push(this.#piece(depth))
    return { kind: 'sequence', parts }
  }

  #piece(depth: number): Matcher {
    const part = this.#atom(depth)
    if (this.#take('*')) return { kind: 'repeat', part, min: 0, max: MAX_INPUT_LENGTH }
    if (this.#take('+')) return { kind: 'repeat', part, min: 1, max: MAX_INPUT_LENGTH + 1 }
    if (this.#take('?')) return { kind: 'repeat', part, min: 0, max: 1 }
    return this.#take('{') ? this.#quantity(part) : part
  }

  #quantity(part: Matcher): Matcher {
    const min = this.#number()
    let max = min
    if (this.#take(',')) max = this.#peek() === '}' ? MAX_REPEAT : this.#number()
    if (!this.#take('}') || max < min || max > MAX_REPEAT) this.failed = true
    return { kind: 'repeat', part, min, max }
  }

  #number(): number {
    let digits = ''
    while (/^[0-9]$/.test(this.#peek() ?? '') && digits.length < 5) digits += this.#next()
    if (digits === '') this.failed = true
    return Number(digits)
  }

  #atom(depth: number): Matcher {
    if (this.#take('(')) {
      const inner = this.choice(depth + 1)
      if (!this.#take(')')) this.failed = true
      return inner
    }
    if (this.#take('.')) return { kind: 'one', accepts: (letter) => letter !== '\n' && letter !== '\r' }
    if (this.#take('[')) return { kind: 'one', accepts: this.#class() }
    if (this.#take('\\')) return { kind: 'one', accepts: this.#escape().accepts }
    const letter = this.#next()
    if (SPECIAL.has(letter)) this.failed = true
    return { kind: 'one', accepts: (other) => other === letter }
  }

  #class(): (letter: string) => boolean {
    const negative = this.#take('^')
    const members: Array<(letter: string) => boolean> = []
    for (let first = true; !this.failed && (first || this.#peek() !== ']'); first = false) {
      if (this.atEnd) this.failed = true
      else members.push(this.#classMember())
    }
    if (!this.#take(']')) this.failed = true
    return (letter) => members.some((accepts) => accepts(letter)) !== negative
  }

  #classMember(): (letter: string) => boolean {
    const low = this.#classLetter()
    if (low.letter === undefined || this.#peek() !== '-' || this.#letters[this.#at + 1] === ']') return low.accepts
    this.#next()
    const from = low.letter
    const to = this.#classLetter().letter
    if (to === undefined || codeOf(to) < codeOf(from)) {
      this.failed = true
      return () => false
    }
    return (letter) => codeOf(letter) >= codeOf(from) && codeOf(letter) <= codeOf(to)
  }

  #classLetter(): { readonly letter: string | undefined; readonly accepts: (letter: string) => boolean } {
    if (this.#take('\\')) return this.#escape()
    const letter = this.#next()
    if (letter === '' || letter === '[' || letter === ']') this.failed = true
    return { letter, accepts: (other) => other === letter }
  }

  #escape(): { readonly letter: string | undefined; readonly accepts: (letter: string) => boolean } {
    const sign = this.#next()
    const letter = ESCAPES.get(sign)
    if (letter !== undefined) return { letter, accepts: (other) => other === letter }
    let name = ''
    if ((sign === 'p' || sign === 'P') && this.#take('{')) {
      while (!this.atEnd && this.#peek() !== '}' && name.length < 3) name += this.#next()
      if (this.#take('}') && CATEGORIES.test(name)) {
        const category = new RegExp(`^\\${sign}{${name}}$`, 'u')
        return { letter: undefined, accepts: (other) => category.test(other) }
      }
    }
    this.failed = true
    return { letter: undefined, accepts: () => false }
  }

  #peek(): string | undefined {
    return this.#letters[this.#at]
  }

  #next(): string {
    const letter = this.#letters[this.#at]
    if (letter === undefined) {
      this.failed = true
      return ''
    }
    this.#at++
    return letter
  }

  #take(letter: string): boolean {
    if (this.#letters[this.#at] !== letter) return false
    this.#at++
    return true
  }
}

function codeOf(letter: string): number {
  return letter.codePointAt(0) ?? 0
}
