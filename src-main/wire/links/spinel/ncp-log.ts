// The dongle's own words on their way to the log. What it echoes of a damaged frame may hold keys the host has just set, so bytes
// written in hexadecimal never pass.
import type { Logger } from '#main/base/index.ts'

const LONGEST_LINE = 400
const hexadecimal = /(?:\b[0-9a-f]{2}\b[ :,-]*){8,}|[0-9a-f]{16,}/gi

/** The line without anything that may be key material. */
export function withoutBytes(line: string): string {
  const framing = /framing error \d+/i.exec(line)
  return framing === null ? line.replace(hexadecimal, '[bytes]') : framing[0]
}

/** Gathers STREAM_DEBUG's pieces into lines. */
export class DebugStream {
  readonly #logger: Logger
  readonly #decoder = new TextDecoder()
  #line = ''
  #cut = false

  constructor(logger: Logger) {
    this.#logger = logger
  }

  push(bytes: Uint8Array): void {
    for (const character of this.#decoder.decode(bytes, { stream: true })) {
      if (character === '\n' || character === '\r') this.#end()
      else if (this.#line.length < LONGEST_LINE) this.#line += character
      else this.#cut = true
    }
  }

  /** STREAM_LOG brings whole messages. */
  message(text: string): void {
    const line = text.slice(0, LONGEST_LINE).trim()
    if (line !== '') this.#logger.debug({ dongle: withoutBytes(line) }, 'The dongle says')
  }

  #end(): void {
    if (this.#line !== '') this.message(this.#cut ? `${this.#line}…` : this.#line)
    this.#line = ''
    this.#cut = false
  }
}
