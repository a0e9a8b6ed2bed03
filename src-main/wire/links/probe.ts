// Tells which firmware answers on an open line, by questions that none of the known ones takes amiss, in the order that keeps it so.
import { concatBytes, delay, type Clock, type Eui64 } from '#main/base/index.ts'
import { encodeHdlc, HDLC_FLAG, HdlcDecoder } from './hdlc.ts'
import { ASK_MAC, readRouterMessage } from './slip-control.ts'
import { SlipDecoder } from './slip.ts'
import { readCapabilities } from './probe-spinel.ts'
import type { SerialLine } from './types.ts'

export type Firmware = 'spinel-ncp' | 'spinel-rcp' | 'openthread-cli' | 'slip-router' | 'slip-radio' | 'none'

export interface ProbeResult {
  readonly firmware: Firmware
  /** Of a Spinel dongle: its CAPS. */
  readonly capabilities: readonly number[]
  /** Of a SLIP router that told it. */
  readonly eui64: Eui64 | undefined
  /** What could be read of the rest, at most 200 characters: log text of an unknown firmware helps whoever has to find out. */
  readonly heard: string
}

export interface ProbeOptions {
  readonly clock: Clock
  readonly signal?: AbortSignal
  /** How long each question waits for its answer. */
  readonly answerMs?: number
}

const LISTEN_MS = 200
const ANSWER_MS = 500
const HEARD_BYTES = 400
const HEARD_CHARACTERS = 200

/** Spinel: GET CAPS with transaction id 3. */
const ASK_CAPS = Uint8Array.of(0x83, 0x02, 0x05)
export const SPINEL_PROBE: Uint8Array = concatBytes(HDLC_FLAG, encodeHdlc(ASK_CAPS))
const CRLF = Uint8Array.of(0x0d, 0x0a)

/**
 * Listens, asks Spinel's CAPS twice, asks `?M` (whose leading END closes the probe bytes off as junk that a router discards), asks CAPS
 * once more (an NCP took the `?M` for a framing error), and last of all CRLF, which may run a command line.
 */
export async function probeLine(line: SerialLine, options: ProbeOptions): Promise<ProbeResult> {
  const { clock, signal, answerMs = ANSWER_MS } = options
  const ear = new Ear(line, clock)
  try {
    if (await ear.wait(LISTEN_MS, signal)) return await ear.conclude(answerMs, signal)
    for (const question of [SPINEL_PROBE, SPINEL_PROBE, ASK_MAC, SPINEL_PROBE, CRLF]) {
      line.write(question)
      if (await ear.wait(answerMs, signal)) return await ear.conclude(answerMs, signal)
      if (ear.closed) break
    }
    return ear.result()
  } finally {
    ear.stop()
  }
}

/** Hears the same bytes with every protocol's ears at once. */
class Ear {
  readonly #line: SerialLine
  readonly #clock: Clock
  readonly #unsubscribe: () => void
  readonly #hdlc = new HdlcDecoder()
  readonly #slip = new SlipDecoder((item) => this.#hearRouter(item))
  #heard = new Uint8Array()
  #firmware: Firmware | undefined
  #capabilities: readonly number[] = []
  #eui64: Eui64 | undefined
  #echo = false
  #wake: () => void = () => undefined
  closed = false

  constructor(line: SerialLine, clock: Clock) {
    this.#line = line
    this.#clock = clock
    this.#unsubscribe = line.subscribe((event) => {
      if (event.kind === 'bytes') this.#hear(event.bytes)
      else this.closed = true
      if (this.closed || this.#decided) this.#wake()
    })
  }

  stop(): void {
    this.#unsubscribe()
  }

  /** Waits for an answer that decides, at most so long. */
  async wait(timeoutMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    const awake = new AbortController()
    this.#wake = () => awake.abort()
    const both = signal === undefined ? awake.signal : AbortSignal.any([signal, awake.signal])
    try {
      if (!this.#decided && !this.closed) await delay(this.#clock, timeoutMs, both)
    } catch (thrown) {
      if (signal?.aborted === true) throw thrown
    }
    return this.#decided
  }

  /** Asks what the decision still lacks: a router its name, an echoing line whether it is a command line. */
  async conclude(answerMs: number, signal: AbortSignal | undefined): Promise<ProbeResult> {
    if (this.#firmware === 'slip-router' && this.#eui64 === undefined) {
      this.#line.write(ASK_MAC)
      await this.#waitFor(() => this.#eui64 !== undefined || this.#firmware !== 'slip-router', answerMs, signal)
    } else if (this.#firmware === undefined) {
      this.#line.write(CRLF)
      await this.#waitFor(() => this.#saysCommandLine(), answerMs, signal)
      if (this.#saysCommandLine()) this.#firmware = 'openthread-cli'
    }
    return this.result()
  }

  result(): ProbeResult {
    const firmware = this.#firmware ?? (this.#saysCommandLine() ? 'openthread-cli' : 'none')
    const heard = firmware === 'none' || firmware === 'openthread-cli' ? readable(this.#heard) : ''
    return { firmware, capabilities: this.#capabilities, eui64: this.#eui64, heard }
  }

  /** Decided as far as more questions of the sequence add nothing. */
  get #decided(): boolean {
    return this.#firmware !== undefined || this.#echo
  }

  async #waitFor(isThere: () => boolean, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const endMs = this.#clock.monotonicMs() + timeoutMs
    while (!isThere() && !this.closed && this.#clock.monotonicMs() < endMs) await delay(this.#clock, 20, signal)
  }

  #hear(bytes: Uint8Array): void {
    this.#heard = concatBytes(this.#heard, bytes).slice(-HEARD_BYTES)
    for (const frame of this.#hdlc.push(bytes)) this.#hearSpinel(frame)
    this.#slip.push(bytes)
    // Only a command line gives back what it got; the question's own frame stands in it unchanged.
    this.#echo ||= this.#firmware === undefined && contains(this.#heard, SPINEL_PROBE.subarray(2, -1))
  }

  #hearSpinel(frame: Uint8Array): void {
    const capabilities = readCapabilities(frame)
    if (capabilities === undefined) return
    this.#capabilities = capabilities.values
    this.#firmware = capabilities.firmware
  }

  #hearRouter(item: Parameters<typeof readRouterMessage>[0]): void {
    const message = readRouterMessage(item)
    if (message === undefined) return
    if (message.kind === 'mac') this.#eui64 = message.eui64
    this.#firmware = message.kind === 'slip-radio' ? 'slip-radio' : 'slip-router'
  }

  #saysCommandLine(): boolean {
    const text = readable(this.#heard)
    return /Error \d+: \w+/.test(text) || (this.#echo && /> ?$/.test(text))
  }
}

function contains(bytes: Uint8Array, part: Uint8Array): boolean {
  for (let at = 0; at + part.length <= bytes.length; at++) {
    if (part.every((byte, index) => bytes[at + index] === byte)) return true
  }
  return false
}

/** Printable ASCII of it; everything else becomes a space, and runs of spaces one. */
function readable(bytes: Uint8Array): string {
  const text = Array.from(bytes, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ' ')).join('')
  return text.replace(/\s+/g, ' ').trim().slice(-HEARD_CHARACTERS)
}
