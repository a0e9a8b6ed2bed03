// Which properties an NCP is asked for, and when.
import { AppError } from '#main/base/index.ts'
import { optional } from './ncp-firmware.ts'
import { unpack } from './pack.ts'
import { PROP, type SpinelProperty } from './properties.ts'
import type { SpinelSession } from './session.ts'

/** Asked at each start; what the firmware does not know is left out. */
export const startProperties: ReadonlyArray<SpinelProperty<unknown>> = [
  PROP.NCP_VERSION,
  PROP.HWADDR,
  PROP.NET_SAVED,
  PROP.PHY_CHAN,
  PROP.PHY_TX_POWER,
  PROP.MAC_15_4_PANID,
  PROP.NET_NETWORK_NAME,
  PROP.NET_XPANID,
  PROP.NET_PARTITION_ID,
  PROP.NET_KEY_SEQUENCE_COUNTER,
]
/** What packets depend on: asked again where a notification may have been lost. Addresses before the role, so that `up` knows them. */
export const vitalProperties: ReadonlyArray<SpinelProperty<unknown>> = [
  PROP.NET_IF_UP,
  PROP.NET_STACK_UP,
  PROP.IPV6_ML_ADDR,
  PROP.THREAD_ON_MESH_NETS,
  PROP.IPV6_ADDRESS_TABLE,
  PROP.IPV6_MULTICAST_ADDRESS_TABLE,
  PROP.NET_ROLE,
]
export const tableProperties: ReadonlyArray<SpinelProperty<unknown>> = [
  PROP.NET_PARTITION_ID,
  PROP.NET_NETWORK_NAME,
  PROP.NET_XPANID,
  PROP.MAC_15_4_PANID,
  PROP.PHY_CHAN,
  PROP.PHY_TX_POWER,
  PROP.THREAD_RLOC16,
  PROP.THREAD_LEADER_ADDR,
  PROP.THREAD_PARENT,
  PROP.THREAD_CHILD_TABLE,
  PROP.THREAD_NEIGHBOR_TABLE,
  PROP.THREAD_ROUTER_TABLE,
  PROP.MSG_BUFFER_COUNTERS,
]

/** The answers go to whoever subscribes to the session; what the firmware does not know, or not now, is passed over. */
export async function askAll(session: SpinelSession, properties: ReadonlyArray<SpinelProperty<unknown>>): Promise<void> {
  for (const property of properties) await optional(session.get(property))
}

export function tryUnpack<Value>(property: SpinelProperty<Value>, value: Uint8Array): Value | undefined {
  try {
    return unpack(property.type, value)
  } catch (error) {
    if (error instanceof AppError && error.code === 'link.frame-invalid') return undefined
    throw error
  }
}
