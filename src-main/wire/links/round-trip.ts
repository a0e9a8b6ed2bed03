// The smoothed round-trip time of a dongle (RFC 6298 §2: one eighth of each new sample).

export class RoundTrip {
  #latest: number | undefined
  #smoothed = 0

  add(sampleMs: number): void {
    this.#smoothed = this.#latest === undefined ? sampleMs : this.#smoothed + (sampleMs - this.#smoothed) / 8
    this.#latest = sampleMs
  }

  get value(): { readonly latest: number; readonly smoothed: number } | undefined {
    return this.#latest === undefined ? undefined : { latest: this.#latest, smoothed: this.#smoothed }
  }
}
