// The Resource Directory Address Option of IPv6 Neighbor Discovery, for routers that announce a directory in their Router
// Advertisements (RFC 9176 §4.1.1, Figure 4). In 6LoWPAN meshes it is the border router that sends it.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |   Type = 41   |  Length = 3   |          Reserved             |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |                   Valid Lifetime in seconds                   |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |                     RD Address, 16 bytes                      |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
import { AppError, toHex } from '#main/base/index.ts'
import { formatIpv6, parseIpv6 } from '#main/wire/ip/index.ts'

const TYPE = 41
/** In units of 8 bytes. */
const LENGTH = 3
const OPTION_BYTES = LENGTH * 8
const LONGEST_LIFETIME_S = 0xffffffff

export interface DirectoryAddressOption {
  /** 0: the address is not valid any more. */
  readonly validLifetimeS: number
  /** IPv6, RFC 5952 form when decoded. */
  readonly address: string
}

/** Throws `rd.parameter-invalid` for what is no IPv6 address of one host, or no lifetime. */
export function encodeDirectoryAddressOption({ validLifetimeS, address }: DirectoryAddressOption): Uint8Array {
  const host = parseIpv6(address)
  if (host === undefined || !isHost(host)) throw invalidOption('The address of a directory must be a unicast IPv6 address')
  if (!Number.isInteger(validLifetimeS) || validLifetimeS < 0 || validLifetimeS > LONGEST_LIFETIME_S) {
    throw invalidOption(`The valid lifetime must be a number of seconds from 0 to ${LONGEST_LIFETIME_S}`)
  }
  const bytes = new Uint8Array(OPTION_BYTES)
  bytes[0] = TYPE
  bytes[1] = LENGTH
  new DataView(bytes.buffer).setUint32(4, validLifetimeS)
  bytes.set(host, 8)
  return bytes
}

/** Throws `rd.parameter-invalid` for any other bytes. The reserved field may hold anything (§4.1.1). */
export function decodeDirectoryAddressOption(bytes: Uint8Array): DirectoryAddressOption {
  if (bytes.length !== OPTION_BYTES || bytes[0] !== TYPE || bytes[1] !== LENGTH) {
    throw invalidOption('Not a Resource Directory Address Option')
  }
  const validLifetimeS = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(4)
  const host = bytes.subarray(8)
  if (!isHost(host)) throw invalidOption('The option holds no unicast address')
  return { validLifetimeS, address: formatIpv6(host) }
}

/** For the operator of a border router: what to announce, and the same as the bytes that follow the others in its advertisements. */
export function describeDirectoryAddressOption(option: DirectoryAddressOption): string {
  const bytes = encodeDirectoryAddressOption(option)
  const { address } = decodeDirectoryAddressOption(bytes)
  const { validLifetimeS } = option
  return [
    'Resource Directory Address Option (RFC 9176, 4.1.1)',
    `Type            ${TYPE}`,
    `Length          ${LENGTH} (${OPTION_BYTES} bytes)`,
    `Valid lifetime  ${validLifetimeS} s${validLifetimeS === 0 ? ', not valid any more' : ''}`,
    `RD address      ${address}`,
    `Bytes           ${toHex(bytes)}`,
    '',
  ].join('\n')
}

/** Neither unspecified nor of a group. */
function isHost(bytes: Uint8Array): boolean {
  return bytes[0] !== 0xff && bytes.some((byte) => byte !== 0)
}

function invalidOption(message: string): AppError {
  return new AppError('rd.parameter-invalid', message, { details: { parameter: 'address' } })
}
