// The bytes of a line cut into frames for people to look at: what each one is, the IPv6 packet in it, and nothing that is secret.
import { concatBytes, toAppError } from '#main/base/index.ts'
import { encodeHdlc, HdlcDecoder } from './hdlc.ts'
import { encodeSlipFrame, SlipDecoder, type SlipItem } from './slip.ts'
import { decodeSpinelFrame, encodeSpinelFrame, propertyFrame, readPropertyFrame, type SpinelFrame } from './spinel/frame.ts'
import { isSecretProperty, PROP, propertyName } from './spinel/properties.ts'

export type FrameProtocol = 'spinel' | 'slip'

export interface LineFrame {
  readonly direction: 'in' | 'out'
  readonly protocol: FrameProtocol
  readonly kind: 'packet' | 'property' | 'command' | 'control' | 'text' | 'damaged'
  /** E.g. `set NET_ROLE`, `?P`, a line of log text. */
  readonly label: string
  /** As it stood on the wire. Where `redacted` is true the value's bytes are zeros and the check sequence fits them; of a damaged frame, nothing. */
  readonly wire: Uint8Array
  readonly redacted: boolean
  /** The IPv6 packet that it carries: the same bytes as those of the link above. */
  readonly packet: Uint8Array | undefined
}

/** Of one session: it must know the protocol, and frames go over reads and writes. Memory is bounded by a frame per direction. */
export class FrameTrace {
  readonly #push: { readonly in: (bytes: Uint8Array) => void; readonly out: (bytes: Uint8Array) => void }

  constructor(protocol: FrameProtocol, emit: (frame: LineFrame) => void) {
    const make = protocol === 'spinel' ? spinelReader : slipReader
    this.#push = { in: make('in', emit), out: make('out', emit) }
  }

  push(direction: 'in' | 'out', bytes: Uint8Array): void {
    this.#push[direction](bytes)
  }
}

function slipReader(direction: 'in' | 'out', emit: (frame: LineFrame) => void): (bytes: Uint8Array) => void {
  const decoder = new SlipDecoder((item) => emit({ direction, protocol: 'slip', redacted: false, ...readSlip(item) }))
  return (bytes) => decoder.push(bytes)
}

function readSlip(item: SlipItem): Pick<LineFrame, 'kind' | 'label' | 'wire' | 'packet'> {
  switch (item.kind) {
    case 'packet':
      return { kind: 'packet', label: '', wire: encodeSlipFrame(item.bytes), packet: item.bytes }
    case 'control': {
      const head = Uint8Array.of(item.mark.charCodeAt(0), item.type.charCodeAt(0))
      return { kind: 'control', label: `${item.mark}${item.type}`, wire: encodeSlipFrame(concatBytes(head, item.data)), packet: undefined }
    }
    case 'text':
      return { kind: 'text', label: item.line, wire: new TextEncoder().encode(`${item.line}\n`), packet: undefined }
    case 'damaged':
      return { kind: 'damaged', label: item.reason, wire: new Uint8Array(), packet: undefined }
  }
}

function spinelReader(direction: 'in' | 'out', emit: (frame: LineFrame) => void): (bytes: Uint8Array) => void {
  const decoder = new HdlcDecoder()
  let damaged = 0
  return (bytes) => {
    for (const frame of decoder.push(bytes)) emit({ direction, protocol: 'spinel', ...readSpinel(frame) })
    const counters = decoder.counters()
    for (; damaged < counters.damaged + counters.tooLong; damaged++) {
      // What is left of a damaged frame cannot be told from a key.
      emit({ direction, protocol: 'spinel', kind: 'damaged', label: 'fcs', wire: new Uint8Array(), redacted: false, packet: undefined })
    }
  }
}

function readSpinel(bytes: Uint8Array): Omit<LineFrame, 'direction' | 'protocol'> {
  try {
    const frame = decodeSpinelFrame(bytes)
    const message = readPropertyFrame(frame)
    if (message === undefined) return { kind: 'command', label: `command ${frame.command}`, ...shown(bytes) }
    const label = `${message.verb} ${propertyName(message.property)}`
    if (isSecretProperty(message.property) && message.value.length > 0) return { kind: 'property', label, ...hidden(frame, message) }
    const packet = message.property === PROP.STREAM_NET.number ? packetIn(message.value) : undefined
    return { kind: packet === undefined ? 'property' : 'packet', label, ...shown(bytes), packet }
  } catch (thrown) {
    return { kind: 'damaged', label: toAppError(thrown).code, wire: new Uint8Array(), redacted: false, packet: undefined }
  }
}

function shown(bytes: Uint8Array): Pick<LineFrame, 'wire' | 'redacted' | 'packet'> {
  return { wire: encodeHdlc(bytes), redacted: false, packet: undefined }
}

function hidden(
  frame: SpinelFrame,
  message: NonNullable<ReturnType<typeof readPropertyFrame>>,
): Pick<LineFrame, 'wire' | 'redacted' | 'packet'> {
  const emptied = propertyFrame(frame.tid, { ...message, value: new Uint8Array(message.value.length) })
  return { wire: encodeHdlc(encodeSpinelFrame(emptied)), redacted: true, packet: undefined }
}

/** STREAM_NET holds a length and the packet, then metadata. */
function packetIn(value: Uint8Array): Uint8Array | undefined {
  const length = (value[0] ?? 0) + ((value[1] ?? 0) << 8)
  return value.length >= 2 + length && length > 0 ? value.subarray(2, 2 + length) : undefined
}
