// Which registrations hold a value: exact and prefix look-ups that cost no more than what they find.

/** New keys wait unsorted until so many have come; a prefix look-up walks through them. */
const UNSORTED_KEYS = 512

/** Values of one attribute with their holders. A value with one holder, the usual case, costs no set. */
class Postings<Holder extends object> {
  readonly #holders = new Map<string, Holder | Set<Holder>>()
  #sorted: string[] = []
  readonly #unsorted = new Set<string>()

  add(value: string, holder: Holder): void {
    const known = this.#holders.get(value)
    if (known === undefined) {
      this.#holders.set(value, holder)
      this.#unsorted.add(value)
    } else if (known instanceof Set) known.add(holder)
    else if (known !== holder) this.#holders.set(value, new Set([known, holder]))
  }

  delete(value: string, holder: Holder): void {
    const known = this.#holders.get(value)
    if (known instanceof Set) {
      known.delete(holder)
      if (known.size === 0) this.#holders.delete(value)
    } else if (known === holder) this.#holders.delete(value)
  }

  exact(value: string): Iterable<Holder> & { readonly size: number } {
    const known = this.#holders.get(value)
    if (known === undefined) return new Set<Holder>()
    return known instanceof Set ? known : new Set([known])
  }

  /** The holders of values with the prefix, each once; undefined when there are more than `most`. */
  withPrefix(prefix: string, most: number): ReadonlySet<Holder> | undefined {
    const found = new Set<Holder>()
    for (const value of this.#keys(prefix)) {
      for (const holder of this.exact(value)) found.add(holder)
      if (found.size > most) return undefined
    }
    return found
  }

  *#keys(prefix: string): Generator<string> {
    if (this.#unsorted.size > UNSORTED_KEYS) this.#sort()
    for (let index = this.#lowerBound(prefix); index < this.#sorted.length; index++) {
      const value = this.#sorted[index]
      if (!value?.startsWith(prefix)) break
      yield value
    }
    for (const value of this.#unsorted) if (value.startsWith(prefix)) yield value
  }

  /** Values without holders are dropped here: they stay in the sorted keys until then, where they find nobody. */
  #sort(): void {
    this.#sorted = [...this.#holders.keys()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
    this.#unsorted.clear()
  }

  #lowerBound(prefix: string): number {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#sorted[middle] ?? '') < prefix) low = middle + 1
      else high = middle
    }
    return low
  }
}

export interface Term {
  readonly name: string
  readonly value: string
}

/** Postings of several attributes. */
export class TermIndex<Holder extends object> {
  readonly #byName = new Map<string, Postings<Holder>>()

  add(term: Term, holder: Holder): void {
    let postings = this.#byName.get(term.name)
    if (postings === undefined) this.#byName.set(term.name, (postings = new Postings<Holder>()))
    postings.add(term.value, holder)
  }

  delete(term: Term, holder: Holder): void {
    this.#byName.get(term.name)?.delete(term.value, holder)
  }

  exact(name: string, value: string): Iterable<Holder> & { readonly size: number } {
    return this.#byName.get(name)?.exact(value) ?? new Set<Holder>()
  }

  withPrefix(name: string, prefix: string, most: number): ReadonlySet<Holder> | undefined {
    const postings = this.#byName.get(name)
    return postings === undefined ? new Set<Holder>() : postings.withPrefix(prefix, most)
  }
}
