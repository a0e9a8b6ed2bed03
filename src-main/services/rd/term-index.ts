// Which registrations hold a value: exact and prefix look-ups that cost no more than what they find.

/** New keys wait unsorted until so many have come; a prefix look-up walks through them. */
const UNSORTED_KEYS = 512

/** Values of one attribute with their holders. A value with one holder, the usual case, costs no set. */
class Postings<Holder extends object> {
  readonly #holders = new Map<string, Holder | Set<Holder>>()
  /** Undefined until somebody looks for a prefix. */
  #sorted: string[] | undefined
  readonly #unsorted = new Set<string>()

  add(value: string, holder: Holder): void {
    const known = this.#holders.get(value)
    if (known === undefined) {
      this.#holders.set(value, holder)
      if (this.#sorted !== undefined) this.#unsorted.add(value)
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

  exact(value: string): ReadonlySet<Holder> {
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
    const sorted = this.#sorted === undefined || this.#unsorted.size > UNSORTED_KEYS ? this.#sort() : this.#sorted
    for (let index = lowerBound(sorted, prefix); index < sorted.length; index++) {
      const value = sorted[index]
      if (!value?.startsWith(prefix)) break
      yield value
    }
    for (const value of this.#unsorted) if (value.startsWith(prefix)) yield value
  }

  /** Values without holders are dropped here: they stay in the sorted keys until then, where they find nobody. */
  #sort(): readonly string[] {
    this.#unsorted.clear()
    return (this.#sorted = [...this.#holders.keys()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)))
  }
}

function lowerBound(sorted: readonly string[], prefix: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] ?? '') < prefix) low = middle + 1
    else high = middle
  }
  return low
}

/** Postings of several attributes. */
export class TermIndex<Holder extends object> {
  readonly #byName = new Map<string, Postings<Holder>>()

  add(name: string, value: string, holder: Holder): void {
    let postings = this.#byName.get(name)
    if (postings === undefined) this.#byName.set(name, (postings = new Postings<Holder>()))
    postings.add(value, holder)
  }

  delete(name: string, value: string, holder: Holder): void {
    this.#byName.get(name)?.delete(value, holder)
  }

  exact(name: string, value: string): ReadonlySet<Holder> {
    return this.#byName.get(name)?.exact(value) ?? new Set<Holder>()
  }

  withPrefix(name: string, prefix: string, most: number): ReadonlySet<Holder> | undefined {
    const postings = this.#byName.get(name)
    return postings === undefined ? new Set<Holder>() : postings.withPrefix(prefix, most)
  }
}
