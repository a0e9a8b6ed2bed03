// A Thread network's operational dataset as MeshCoP TLVs (Thread specification §8.10), the hex that other tools show and take.
// Holds the network key and the PSKc: never to be logged.
import { AppError, concatBytes, fromHex, utf8, utf8ToText, type Random } from '#main/base/index.ts'
import { formatIp6, parseIp6 } from './spinel/ip6-text.ts'

/** Keeps networks apart by their active timestamp; ticks are 1/32768 s. */
export interface DatasetTimestamp {
  readonly seconds: number
  readonly ticks: number
  readonly authoritative: boolean
}

export interface SecurityPolicy {
  readonly rotationHours: number
  /** One byte in older networks, two since Thread 1.2. */
  readonly flags: Uint8Array
}

export interface OperationalDataset {
  readonly activeTimestamp?: DatasetTimestamp
  readonly channel?: number
  /** The channels that may be used. */
  readonly channels?: readonly number[]
  readonly extendedPanId?: Uint8Array
  /** E.g. `fddead00beefcafe::`, always of 64 bits. */
  readonly meshLocalPrefix?: string
  readonly networkKey?: Uint8Array
  readonly networkName?: string
  readonly panId?: number
  readonly pskc?: Uint8Array
  readonly securityPolicy?: SecurityPolicy
  /** What is not known here, kept as it came. */
  readonly others: readonly DatasetTlv[]
}

export interface DatasetTlv {
  readonly type: number
  readonly value: Uint8Array
}

const TLV = {
  CHANNEL: 0x00,
  PAN_ID: 0x01,
  EXTENDED_PAN_ID: 0x02,
  NETWORK_NAME: 0x03,
  PSKC: 0x04,
  NETWORK_KEY: 0x05,
  MESH_LOCAL_PREFIX: 0x07,
  SECURITY_POLICY: 0x0c,
  ACTIVE_TIMESTAMP: 0x0e,
  CHANNEL_MASK: 0x35,
} as const

/** A dataset is at most 254 bytes long. */
const MOST_BYTES = 254
export const FIRST_CHANNEL = 11
export const LAST_CHANNEL = 26
const ALL_CHANNELS: readonly number[] = Array.from({ length: LAST_CHANNEL - FIRST_CHANNEL + 1 }, (_, index) => FIRST_CHANNEL + index)

/** The TLVs of the bytes; undefined where they are not well-formed. */
export function splitDatasetTlvs(bytes: Uint8Array): readonly DatasetTlv[] | undefined {
  if (bytes.length > MOST_BYTES) return undefined
  const tlvs: DatasetTlv[] = []
  for (let offset = 0; offset < bytes.length;) {
    const type = bytes[offset] ?? 0
    const length = bytes[offset + 1]
    if (length === undefined || length === 0xff || offset + 2 + length > bytes.length) return undefined
    tlvs.push({ type, value: bytes.slice(offset + 2, offset + 2 + length) })
    offset += 2 + length
  }
  return tlvs
}

/** Reads a dataset; throws `link.network-invalid` alone. */
export function decodeDataset(bytes: Uint8Array): OperationalDataset {
  const tlvs = splitDatasetTlvs(bytes)
  if (tlvs === undefined) throw invalid('dataset', 'The dataset is not well-formed')
  let dataset: OperationalDataset = { others: [] }
  for (const tlv of tlvs) dataset = { ...dataset, ...readTlv(tlv, dataset.others) }
  return dataset
}

function readTlv({ type, value }: DatasetTlv, others: readonly DatasetTlv[]): Partial<OperationalDataset> {
  switch (type) {
    case TLV.ACTIVE_TIMESTAMP:
      return { activeTimestamp: readTimestamp(value) }
    case TLV.CHANNEL:
      return { channel: bigEndian(exactly(value, 3, 'channel').subarray(1)) }
    case TLV.CHANNEL_MASK:
      return { channels: readChannelMask(value) }
    case TLV.EXTENDED_PAN_ID:
      return { extendedPanId: exactly(value, 8, 'extendedPanId') }
    case TLV.MESH_LOCAL_PREFIX:
      return { meshLocalPrefix: formatIp6(concatBytes(exactly(value, 8, 'meshLocalPrefix'), new Uint8Array(8))) }
    case TLV.NETWORK_KEY:
      return { networkKey: exactly(value, 16, 'networkKey') }
    case TLV.NETWORK_NAME:
      return { networkName: readName(value) }
    case TLV.PAN_ID:
      return { panId: bigEndian(exactly(value, 2, 'panId')) }
    case TLV.PSKC:
      return { pskc: exactly(value, 16, 'pskc') }
    case TLV.SECURITY_POLICY:
      if (value.length !== 3 && value.length !== 4) throw invalid('securityPolicy', 'The security policy has the wrong length')
      return { securityPolicy: { rotationHours: bigEndian(value.subarray(0, 2)), flags: value.slice(2) } }
    default:
      return { others: [...others, { type, value }] }
  }
}

/** The TLVs in the order in which OpenThread writes them. */
export function encodeDataset(dataset: OperationalDataset): Uint8Array {
  const tlvs: DatasetTlv[] = []
  const add = (type: number, value: Uint8Array | undefined): void => {
    if (value !== undefined) tlvs.push({ type, value })
  }
  add(TLV.ACTIVE_TIMESTAMP, dataset.activeTimestamp && writeTimestamp(dataset.activeTimestamp))
  add(TLV.CHANNEL, dataset.channel === undefined ? undefined : Uint8Array.of(0, ...twoBytes(dataset.channel)))
  add(TLV.CHANNEL_MASK, dataset.channels && writeChannelMask(dataset.channels))
  add(TLV.EXTENDED_PAN_ID, dataset.extendedPanId)
  add(TLV.MESH_LOCAL_PREFIX, dataset.meshLocalPrefix === undefined ? undefined : prefixBytes(dataset.meshLocalPrefix))
  add(TLV.NETWORK_KEY, dataset.networkKey)
  add(TLV.NETWORK_NAME, dataset.networkName === undefined ? undefined : utf8(dataset.networkName))
  add(TLV.PAN_ID, dataset.panId === undefined ? undefined : Uint8Array.from(twoBytes(dataset.panId)))
  add(TLV.PSKC, dataset.pskc)
  const policy = dataset.securityPolicy
  add(TLV.SECURITY_POLICY, policy && concatBytes(Uint8Array.from(twoBytes(policy.rotationHours)), policy.flags))
  return concatBytes(...[...tlvs, ...dataset.others].flatMap(({ type, value }) => [Uint8Array.of(type, value.length), value]))
}

/** A dataset pasted as hex, with or without blanks; throws `link.network-invalid`. */
export function parseDatasetText(text: string): OperationalDataset {
  const bytes = fromHex(text.replace(/\s/g, ''))
  if (bytes === undefined || bytes.length === 0) throw invalid('dataset', 'The dataset is not written in hexadecimal digits')
  return decodeDataset(bytes)
}

/** A network as a person describes it. */
export interface NetworkDescription {
  readonly networkName: string
  readonly channel: number
  readonly panId: number
  readonly extendedPanId: Uint8Array
  readonly networkKey: Uint8Array
  readonly meshLocalPrefix?: string
  readonly pskc?: Uint8Array
  readonly securityPolicy?: SecurityPolicy
}

/** The names of what a dataset lacks for forming a network; without a timestamp an NCP waits for ever. */
export function missingInDataset(dataset: OperationalDataset): readonly string[] {
  const needed = [
    'activeTimestamp',
    'channel',
    'channels',
    'extendedPanId',
    'meshLocalPrefix',
    'networkKey',
    'networkName',
    'panId',
    'pskc',
    'securityPolicy',
  ] as const
  return needed.filter((name) => dataset[name] === undefined)
}

/** Throws `link.network-invalid`, naming the field, where a value is out of its range. */
export function checkDataset(dataset: OperationalDataset): void {
  const { channel, panId, networkName, meshLocalPrefix } = dataset
  if (channel !== undefined && !ALL_CHANNELS.includes(channel))
    throw invalid('channel', `The channel is from ${FIRST_CHANNEL} to ${LAST_CHANNEL}`)
  if (panId !== undefined && (!Number.isInteger(panId) || panId < 0 || panId > 0xfffe))
    throw invalid('panId', 'The PAN id is from 0 to fffe')
  if (networkName !== undefined) {
    const { length } = utf8(networkName)
    if (length === 0 || length > 16 || networkName.includes('\0')) throw invalid('networkName', 'The network name has 1 to 16 bytes')
  }
  if (meshLocalPrefix !== undefined) prefixBytes(meshLocalPrefix)
  for (const [name, length] of [
    ['extendedPanId', 8],
    ['networkKey', 16],
    ['pskc', 16],
  ] as const) {
    const value = dataset[name]
    if (value !== undefined && value.length !== length) throw invalid(name, `${name} has ${length} bytes`)
  }
}

/** A complete dataset for a new network: what is not given is drawn at random. */
export function newDataset(given: Partial<NetworkDescription>, random: Random): OperationalDataset {
  const dataset: OperationalDataset = {
    activeTimestamp: { seconds: 1, ticks: 0, authoritative: false },
    channel: given.channel ?? ALL_CHANNELS[random.below(ALL_CHANNELS.length)] ?? FIRST_CHANNEL,
    channels: ALL_CHANNELS,
    extendedPanId: given.extendedPanId ?? random.bytes(8),
    // RFC 4193 §3.2: fd and forty random bits; here the subnet is random too.
    meshLocalPrefix: given.meshLocalPrefix ?? formatIp6(concatBytes(Uint8Array.of(0xfd), random.bytes(7), new Uint8Array(8))),
    networkKey: given.networkKey ?? random.bytes(16),
    networkName: given.networkName ?? 'Groupwright',
    panId: given.panId ?? random.below(0xffff),
    pskc: given.pskc ?? random.bytes(16),
    securityPolicy: given.securityPolicy ?? { rotationHours: 672, flags: Uint8Array.of(0xf7, 0xf8) },
    others: [],
  }
  checkDataset(dataset)
  return dataset
}

function prefixBytes(text: string): Uint8Array {
  const bytes = parseIp6(text.replace(/\/64$/, ''))
  if (bytes?.[0] !== 0xfd || bytes.subarray(8).some((byte) => byte !== 0)) {
    throw invalid('meshLocalPrefix', 'The mesh-local prefix is a /64 from fd00::/8')
  }
  return bytes.slice(0, 8)
}

function readTimestamp(value: Uint8Array): DatasetTimestamp {
  exactly(value, 8, 'activeTimestamp')
  const low = bigEndian(value.subarray(6))
  return { seconds: bigEndian(value.subarray(0, 6)), ticks: low >> 1, authoritative: (low & 1) === 1 }
}

function writeTimestamp({ seconds, ticks, authoritative }: DatasetTimestamp): Uint8Array {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, Math.floor(seconds / 2 ** 32))
  view.setUint32(2, seconds % 2 ** 32)
  view.setUint16(6, (ticks << 1) | (authoritative ? 1 : 0))
  return bytes
}

/** Entries of page, length and a mask whose first bit is channel 0; pages other than 0 are of other radios. */
function readChannelMask(value: Uint8Array): readonly number[] {
  const channels: number[] = []
  for (let offset = 0; offset + 2 <= value.length;) {
    const length = value[offset + 1] ?? 0
    const mask = value.subarray(offset + 2, offset + 2 + length)
    if (value[offset] === 0) {
      for (const [index, byte] of mask.entries()) {
        for (let bit = 0; bit < 8; bit++) if (((byte << bit) & 0x80) !== 0) channels.push(index * 8 + bit)
      }
    }
    offset += 2 + length
  }
  return channels
}

function writeChannelMask(channels: readonly number[]): Uint8Array {
  const mask = new Uint8Array(4)
  for (const channel of channels) mask[channel >> 3] = (mask[channel >> 3] ?? 0) | (0x80 >> (channel & 7))
  return Uint8Array.of(0, mask.length, ...mask)
}

function readName(value: Uint8Array): string {
  const name = value.length > 16 ? undefined : utf8ToText(value)
  if (name === undefined) throw invalid('networkName', 'The network name is not text of at most 16 bytes')
  return name
}

function exactly(value: Uint8Array, length: number, field: string): Uint8Array {
  if (value.length !== length) throw invalid(field, `${field} has ${length} bytes`)
  return value
}

function bigEndian(bytes: Uint8Array): number {
  return bytes.reduce((value, byte) => value * 256 + byte, 0)
}

function twoBytes(value: number): [number, number] {
  return [(value >> 8) & 0xff, value & 0xff]
}

function invalid(field: string, message: string): AppError {
  return new AppError('link.network-invalid', message, { details: { field } })
}
