// An operational dataset as Spinel's list of properties, for firmware that does not take TLVs (property 0x1518).
import { concatBytes } from '#main/base/index.ts'
import { checkDataset, type OperationalDataset } from '../dataset.ts'
import { pack, unpack, type SpinelType } from './pack.ts'
import { PROP, type SpinelProperty } from './properties.ts'

export interface DatasetItem {
  readonly property: number
  readonly value: Uint8Array
}

/** In the order in which OpenThread writes them. What this form cannot carry is left out. */
export function datasetItems(dataset: OperationalDataset): readonly DatasetItem[] {
  checkDataset(dataset)
  const items: DatasetItem[] = []
  const add = <Value>(property: SpinelProperty<Value>, value: Value | undefined): void => {
    if (value !== undefined) items.push({ property: property.number, value: pack(property.type, value) })
  }
  const { activeTimestamp, meshLocalPrefix } = dataset
  add(PROP.DATASET_ACTIVE_TIMESTAMP, activeTimestamp && BigInt(activeTimestamp.seconds))
  add(PROP.NET_NETWORK_KEY, dataset.networkKey)
  add(PROP.NET_NETWORK_NAME, dataset.networkName)
  add(PROP.NET_XPANID, dataset.extendedPanId)
  add(PROP.IPV6_ML_PREFIX, meshLocalPrefix === undefined ? undefined : { prefix: meshLocalPrefix.replace(/\/64$/, ''), prefixLength: 64 })
  add(PROP.MAC_15_4_PANID, dataset.panId)
  add(PROP.PHY_CHAN, dataset.channel)
  add(PROP.NET_PSKC, dataset.pskc)
  add(PROP.DATASET_SECURITY_POLICY, dataset.securityPolicy)
  add(PROP.PHY_CHAN_SUPPORTED, dataset.channels)
  return items
}

/** Throws `link.frame-invalid` alone. */
export function datasetOfItems(items: readonly DatasetItem[]): OperationalDataset {
  const read = <Value>(property: { readonly number: number; readonly type: SpinelType<Value> }): Value | undefined => {
    const item = items.find((candidate) => candidate.property === property.number)
    return item === undefined ? undefined : unpack(property.type, item.value)
  }
  const seconds = read(PROP.DATASET_ACTIVE_TIMESTAMP)
  const policy = read(PROP.DATASET_SECURITY_POLICY)
  return {
    ...present('activeTimestamp', seconds === undefined ? undefined : { seconds: Number(seconds), ticks: 0, authoritative: false }),
    ...present('networkKey', read(PROP.NET_NETWORK_KEY)),
    ...present('networkName', read(PROP.NET_NETWORK_NAME)),
    ...present('extendedPanId', read(PROP.NET_XPANID)),
    ...present('meshLocalPrefix', read(PROP.IPV6_ML_PREFIX)?.prefix),
    ...present('panId', read(PROP.MAC_15_4_PANID)),
    ...present('channel', read(PROP.PHY_CHAN)),
    ...present('pskc', read(PROP.NET_PSKC)),
    ...present('securityPolicy', policy && { rotationHours: policy.rotationHours, flags: concatBytes(policy.flags) }),
    ...present('channels', read(PROP.PHY_CHAN_SUPPORTED)),
    others: [],
  }
}

function present<Name extends keyof OperationalDataset>(
  name: Name,
  value: OperationalDataset[Name] | undefined,
): Partial<Pick<OperationalDataset, Name>> {
  const found: Partial<Pick<OperationalDataset, Name>> = {}
  if (value !== undefined) found[name] = value
  return found
}
