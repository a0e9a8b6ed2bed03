// What certificates mean for the device list: a device with a valid one is enrolled, and is so no longer when that is revoked or over.
import type { DeviceId } from '#main/base/index.ts'
import type { DeviceRecord, Inventory } from '#main/site/devices/index.ts'
import type { DeviceState } from '#contract/model.ts'

export interface CertifiedPorts {
  readonly inventory: Pick<Inventory, 'get' | 'setState' | 'record'>
  /** Devices that have had certificates, and whether one of them is good now. */
  readonly certified: () => ReadonlyMap<string, boolean>
}

/** What a device is before it is enrolled; one that is configured or checked already stays what it is. */
const BEFORE: ReadonlySet<DeviceState> = new Set(['planned', 'expected', 'seen', 'joining'])
const AFTER: ReadonlySet<DeviceState> = new Set(['enrolled', 'configured', 'verified', 'faulty'])

/** Looks at the certificates each time it is called, and tells the device list what has changed. */
export function followCertificates({ inventory, certified }: CertifiedPorts): () => void {
  let before = new Map<string, boolean>()
  let isFirst = true

  return () => {
    const now = certified()
    for (const [id, isLive] of now) {
      const device = inventory.get(id)
      if (device === undefined || before.get(id) === isLive) continue
      if (isLive) gained(device, isFirst)
      else lost(device, isFirst)
    }
    before = new Map(now)
    isFirst = false
  }

  function gained(device: DeviceRecord, isStart: boolean): void {
    const fact = { source: 'admission', event: 'enrolled' } as const
    if (BEFORE.has(device.state)) inventory.setState(device.id, 'enrolled', fact)
    // After a start it stands in its history already.
    else if (!isStart && device.state !== 'enrolled') inventory.record(device.id, fact)
  }

  function lost(device: DeviceRecord, isStart: boolean): void {
    const fact = { source: 'admission', event: 'certificate-ended' } as const
    if (device.state === 'enrolled') inventory.setState(device.id, stateWithout(device), fact)
    else if (!isStart && AFTER.has(device.state)) inventory.record(device.id, fact)
  }
}

/** What is known of it besides. */
function stateWithout({ lastHeardAt, serial, eui64 }: { readonly id: DeviceId } & DeviceRecord): DeviceState {
  if (lastHeardAt !== null) return 'seen'
  return serial === null && eui64 === null ? 'planned' : 'expected'
}
