// One ICMPv6 echo (RFC 4443 §4) with which a link asks its own border router whether it has the prefix that we think it has.
import { concatBytes, equalBytes, utf8 } from '#main/base/index.ts'

const ICMPV6 = 58
const ECHO_REQUEST = 128
const ECHO_REPLY = 129
const IDENTIFIER = 0x6777
const MARK = utf8('link')

function checksum(source: Uint8Array, destination: Uint8Array, message: Uint8Array): number {
  const pseudo = concatBytes(source, destination, Uint8Array.of(0, 0, 0, message.length, 0, 0, 0, ICMPV6), message)
  let sum = 0
  for (let at = 0; at < pseudo.length; at += 2) sum += ((pseudo[at] ?? 0) << 8) + (pseudo[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

export function encodeEchoProbe(source: Uint8Array, destination: Uint8Array, sequence: number): Uint8Array {
  const message = concatBytes(
    Uint8Array.of(ECHO_REQUEST, 0, 0, 0, IDENTIFIER >> 8, IDENTIFIER & 0xff, (sequence >> 8) & 0xff, sequence & 0xff),
    MARK,
  )
  const sum = checksum(source, destination, message)
  message[2] = sum >> 8
  message[3] = sum & 0xff
  return concatBytes(Uint8Array.of(0x60, 0, 0, 0, 0, message.length, ICMPV6, 64), source, destination, message)
}

/** Whether a whole IPv6 packet answers one of our echoes: it stays below the rooms above. */
export function isEchoProbeReply(packet: Uint8Array, source: Uint8Array): boolean {
  return (
    packet.length === 40 + 8 + MARK.length &&
    packet[6] === ICMPV6 &&
    packet[40] === ECHO_REPLY &&
    packet[44] === IDENTIFIER >> 8 &&
    packet[45] === (IDENTIFIER & 0xff) &&
    equalBytes(packet.subarray(8, 24), source) &&
    equalBytes(packet.subarray(48), MARK)
  )
}
