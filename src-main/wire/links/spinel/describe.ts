// Spinel frames as a trace and a capture may show them: in words, and without what is secret.
import { AppError, concatBytes } from '#main/base/index.ts'
import { COMMAND, decodeSpinelFrame, encodeSpinelFrame, readPropertyFrame, type PropertyMessage, type SpinelFrame } from './frame.ts'
import { pack, packedUint, unpack } from './pack.ts'
import { isSecretProperty, PROP, propertyName, roleOf } from './properties.ts'
import { statusName } from './status.ts'

const commandNames: ReadonlyMap<number, string> = new Map(Object.entries(COMMAND).map(([name, number]) => [number, name]))

/** One line such as `5 SET NET_ROLE 1 byte`, or `is LAST_STATUS DROPPED`. Never a value that is secret. Total. */
export function describeSpinelFrame(bytes: Uint8Array): string {
  return total(() => {
    const frame = decodeSpinelFrame(bytes)
    const message = readPropertyFrame(frame)
    const tid = frame.tid === 0 ? '' : `${frame.tid} `
    if (message === undefined) return `${tid}${commandNames.get(frame.command) ?? `command ${frame.command}`}`
    return `${tid}${message.verb} ${propertyName(message.property)}${summary(message)}`
  }, 'not a Spinel frame')
}

/** The same frame with zeros in place of secrets, of the same length: for captures. What cannot be read is zeros altogether. */
export function withoutSecrets(bytes: Uint8Array): Uint8Array {
  return total(() => {
    const frame = decodeSpinelFrame(bytes)
    const message = readPropertyFrame(frame)
    return message !== undefined && isSecretProperty(message.property) ? encodeSpinelFrame(blanked(frame, message)) : bytes
  }, new Uint8Array(bytes.length))
}

/** The IPv6 packet in the frame, where it carries one; for links between a frame and its packet in a trace. */
export function packetInFrame(bytes: Uint8Array): Uint8Array | undefined {
  return total(() => {
    const message = readPropertyFrame(decodeSpinelFrame(bytes))
    return message?.property === PROP.STREAM_NET.number ? unpack(PROP.STREAM_NET.type, message.value).packet : undefined
  }, undefined)
}

function summary({ property, value }: PropertyMessage): string {
  if (value.length === 0) return ''
  if (property === PROP.LAST_STATUS.number) return ` ${statusName(unpack(packedUint, value))}`
  if (property === PROP.NET_ROLE.number) return ` ${roleOf(value[0] ?? 0)}`
  return ` ${value.length} ${value.length === 1 ? 'byte' : 'bytes'}`
}

function blanked(frame: SpinelFrame, { property, value }: PropertyMessage): SpinelFrame {
  return { ...frame, payload: concatBytes(pack(packedUint, property), new Uint8Array(value.length)) }
}

function total<Value>(read: () => Value, otherwise: Value): Value {
  try {
    return read()
  } catch (error) {
    if (error instanceof AppError && error.code === 'link.frame-invalid') return otherwise
    throw error
  }
}
