// A Thread network's Active Operational Dataset: as MeshCoP TLVs (Thread 1.1.1 §8.10.1) and as Spinel's list of structs.
import { concatBytes, toHex, utf8, utf8ToText, type Random } from '#main/base/index.ts'
import { counted, little, packed, PROPERTY, readCounted, readPacked, zeroEnded } from './spinel.ts'

const TLV = { channel: 0, panId: 1, xpanId: 2, name: 3, pskc: 4, key: 5, prefix: 7, security: 12, timestamp: 14, mask: 53 }

/** The TLVs by type, or undefined where they are no list of TLVs. */
export function readTlvs(tlvs: Uint8Array): ReadonlyMap<number, Uint8Array> | undefined {
  const found = new Map<number, Uint8Array>()
  for (let offset = 0; offset < tlvs.length;) {
    const type = tlvs[offset]
    const length = tlvs[offset + 1]
    if (type === undefined || length === undefined || offset + 2 + length > tlvs.length) return undefined
    found.set(type, tlvs.slice(offset + 2, offset + 2 + length))
    offset += 2 + length
  }
  return found
}

function tlv(type: number, value: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(type, value.length), value)
}

/** What the single properties of a network show of its dataset. */
export interface NetworkView {
  readonly channel: number
  readonly panId: number
  readonly xpanId: Uint8Array
  readonly name: string
  readonly key: Uint8Array
  readonly pskc: Uint8Array
  readonly prefix: Uint8Array
}

export function viewOf(tlvs: Uint8Array, fallback: NetworkView): NetworkView {
  const found = readTlvs(tlvs) ?? new Map<number, Uint8Array>()
  const panId = found.get(TLV.panId)
  const name = found.get(TLV.name)
  return {
    channel: found.get(TLV.channel)?.[2] ?? fallback.channel,
    panId: panId === undefined ? fallback.panId : ((panId[0] ?? 0) << 8) | (panId[1] ?? 0),
    xpanId: found.get(TLV.xpanId) ?? fallback.xpanId,
    name: (name === undefined ? undefined : utf8ToText(name)) ?? fallback.name,
    key: found.get(TLV.key) ?? fallback.key,
    pskc: found.get(TLV.pskc) ?? fallback.pskc,
    prefix: found.get(TLV.prefix) ?? fallback.prefix,
  }
}

/** A network can be formed with these alone; without the timestamp an NCP stays detached. */
export function isComplete(tlvs: Uint8Array): boolean {
  const found = readTlvs(tlvs)
  return [TLV.timestamp, TLV.channel, TLV.panId, TLV.key, TLV.prefix].every((type) => found?.has(type) === true)
}

/** Whether two datasets let nodes hear each other. */
export function isSameNetwork(a: Uint8Array, b: Uint8Array): boolean {
  const left = readTlvs(a)
  const right = readTlvs(b)
  return [TLV.channel, TLV.panId, TLV.key].every((type) => {
    const value = left?.get(type)
    const other = right?.get(type)
    return value !== undefined && other !== undefined && toHex(value) === toHex(other)
  })
}

/** A complete dataset of a network. */
export function datasetOf(network: NetworkView): Uint8Array {
  return concatBytes(
    tlv(TLV.timestamp, Uint8Array.of(0, 0, 0, 0, 0, 1, 0, 0)),
    tlv(TLV.channel, Uint8Array.of(0, 0, network.channel)),
    tlv(TLV.mask, Uint8Array.of(0, 4, 0, 0x1f, 0xff, 0xe0)),
    tlv(TLV.xpanId, network.xpanId),
    tlv(TLV.prefix, network.prefix),
    tlv(TLV.key, network.key),
    tlv(TLV.name, utf8(network.name)),
    tlv(TLV.panId, Uint8Array.of(network.panId >> 8, network.panId & 0xff)),
    tlv(TLV.pskc, network.pskc),
    tlv(TLV.security, Uint8Array.of(0x02, 0xa0, 0xf7, 0xf8)),
  )
}

/** A complete dataset with everything drawn by chance, as an NCP offers it. */
export function newDataset(random: Random): Uint8Array {
  const panId = random.below(0xfffe)
  const prefix = concatBytes(Uint8Array.of(0xfd), random.bytes(5), Uint8Array.of(0, 0))
  const name = `OpenThread-${panId.toString(16).padStart(4, '0')}`
  const channel = 11 + random.below(16)
  return datasetOf({ channel, panId, xpanId: random.bytes(8), name, key: random.bytes(16), pskc: random.bytes(16), prefix })
}

const ITEMS: ReadonlyArray<readonly [property: number, type: number]> = [
  [PROPERTY.DATASET_TIMESTAMP, TLV.timestamp],
  [PROPERTY.NET_KEY, TLV.key],
  [PROPERTY.NET_NAME, TLV.name],
  [PROPERTY.NET_XPANID, TLV.xpanId],
  [PROPERTY.ML_PREFIX, TLV.prefix],
  [PROPERTY.MAC_PANID, TLV.panId],
  [PROPERTY.PHY_CHAN, TLV.channel],
  [PROPERTY.NET_PSKC, TLV.pskc],
  [PROPERTY.DATASET_SECURITY, TLV.security],
  [PROPERTY.PHY_CHAN_SUPPORTED, TLV.mask],
]

/** Spinel's older form of the dataset: A(t(iD)). */
export function structsOf(tlvs: Uint8Array): Uint8Array {
  const found = readTlvs(tlvs) ?? new Map<number, Uint8Array>()
  const items = ITEMS.flatMap(([property, type]) => {
    const value = found.get(type)
    return value === undefined ? [] : [counted(packed(property), itemOf(property, value))]
  })
  return concatBytes(...items)
}

function itemOf(property: number, value: Uint8Array): Uint8Array {
  switch (property) {
    case PROPERTY.DATASET_TIMESTAMP:
      // Seconds in the upper 48 bits; here they stand alone.
      return little(
        value.subarray(0, 6).reduce((sum, byte) => sum * 256 + byte, 0),
        8,
      )
    case PROPERTY.NET_NAME:
      return zeroEnded(utf8ToText(value) ?? '')
    case PROPERTY.ML_PREFIX:
      return concatBytes(value, new Uint8Array(8), Uint8Array.of(64))
    case PROPERTY.MAC_PANID:
      return value.toReversed()
    case PROPERTY.PHY_CHAN:
      return value.slice(2)
    case PROPERTY.DATASET_SECURITY:
      return concatBytes(value.slice(0, 2).toReversed(), value.slice(2))
    case PROPERTY.PHY_CHAN_SUPPORTED:
      return channelsOf(value)
    default:
      return value
  }
}

/** The channels of a mask TLV, whose first bit is channel 0. */
function channelsOf(mask: Uint8Array): Uint8Array {
  const channels: number[] = []
  for (let channel = 0; channel < 32; channel++) {
    if ((((mask[2 + (channel >> 3)] ?? 0) >> (7 - (channel & 7))) & 1) === 1) channels.push(channel)
  }
  return Uint8Array.from(channels)
}

/** The TLVs of a struct list, in OpenThread's order; undefined where it is none. */
export function tlvsOf(structs: Uint8Array): Uint8Array | undefined {
  const found = new Map<number, Uint8Array>()
  for (let offset = 0; offset < structs.length;) {
    const item = readCounted(structs.subarray(offset))
    const property = item === undefined ? undefined : readPacked(item, 0)
    const type = ITEMS.find(([known]) => known === property?.value)?.[1]
    if (item === undefined || property === undefined || type === undefined) return undefined
    found.set(type, valueOf(property.value, item.subarray(property.next)))
    offset += 2 + item.length
  }
  const order = [TLV.timestamp, TLV.channel, TLV.mask, TLV.xpanId, TLV.prefix, TLV.key, TLV.name, TLV.panId, TLV.pskc, TLV.security]
  return concatBytes(
    ...order.flatMap((type) => {
      const value = found.get(type)
      return value === undefined ? [] : [tlv(type, value)]
    }),
  )
}

function valueOf(property: number, item: Uint8Array): Uint8Array {
  switch (property) {
    case PROPERTY.DATASET_TIMESTAMP:
      return concatBytes(item.slice(0, 6).toReversed(), Uint8Array.of(0, 0))
    case PROPERTY.NET_NAME:
      return item.slice(0, -1)
    case PROPERTY.ML_PREFIX:
      return item.slice(0, 8)
    case PROPERTY.MAC_PANID:
      return item.toReversed()
    case PROPERTY.PHY_CHAN:
      return concatBytes(Uint8Array.of(0, 0), item)
    case PROPERTY.DATASET_SECURITY:
      return concatBytes(item.slice(0, 2).toReversed(), item.slice(2))
    case PROPERTY.PHY_CHAN_SUPPORTED:
      return maskOf(item)
    default:
      return item.slice()
  }
}

function maskOf(channels: Uint8Array): Uint8Array {
  const mask = new Uint8Array(6)
  mask[1] = 4
  for (const channel of channels) {
    const index = 2 + (channel >> 3)
    if (index < 6) mask[index] = (mask[index] ?? 0) | (1 << (7 - (channel & 7)))
  }
  return mask
}
