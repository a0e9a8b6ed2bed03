// Tells a hand scanner, which types like a keyboard, from a person: it types a whole label with hardly a pause, and Enter behind it. Keys are
// held back for that long; what was no label is given back. Pure: the caller brings keys, times, and the call when nothing more has come.

export interface WedgeKey {
  readonly key: string
  readonly ctrl: boolean
  /** Alt without AltGr, or Meta. */
  readonly command: boolean
  readonly isRepeat: boolean
}

export type WedgeVerdict =
  /** Nobody else gets to see the key for now. */
  | { readonly kind: 'hold' }
  /** The key goes on to whoever has the focus, behind what was held. */
  | { readonly kind: 'pass'; readonly held: string }
  | { readonly kind: 'scan'; readonly text: string }

/** Scanners pause 1 to 30 ms between keys; practised typists hardly ever go below 60. */
export const BURST_GAP_MS = 45
/** The shortest label is an 11-digit code, the shortest serial number some six characters. */
const SHORTEST = 6
const LONGEST = 4000
/** Group separator of ISO 15434 and GS1: scanners send it as Ctrl+]. */
const GROUP_SEPARATOR = '\u001d'

export class Wedge {
  #held = ''
  #lastMs = Number.NEGATIVE_INFINITY

  press({ key, ctrl, command, isRepeat }: WedgeKey, atMs: number): WedgeVerdict {
    // Scanners press Shift for capitals.
    if (key === 'Shift' || key === 'AltGraph' || (key === 'Control' && this.#held !== '')) return { kind: 'pass', held: '' }
    const isBurst = this.#held !== '' && atMs - this.#lastMs <= BURST_GAP_MS
    if ((key === 'Enter' || key === 'Tab') && !ctrl && !command) {
      if (!isBurst || this.#held.length < SHORTEST) return { kind: 'pass', held: this.release() }
      const text = this.#held
      this.#held = ''
      return { kind: 'scan', text }
    }
    const character = ctrl && key === ']' ? GROUP_SEPARATOR : key
    const isText = character.length === 1 && (!ctrl || character === GROUP_SEPARATOR) && !command && !isRepeat
    // A blank begins no label, and presses the button that has the focus.
    if (!isText || (this.#held === '' && (character === ' ' || character === GROUP_SEPARATOR))) {
      return { kind: 'pass', held: this.release() }
    }
    this.#lastMs = atMs
    if (this.#held.length < LONGEST) this.#held += character
    return { kind: 'hold' }
  }

  /** What was held and is no label: nothing more has come in time. */
  release(): string {
    const held = this.#held
    this.#held = ''
    return held.replaceAll(GROUP_SEPARATOR, '')
  }

  get isHolding(): boolean {
    return this.#held !== ''
  }
}
