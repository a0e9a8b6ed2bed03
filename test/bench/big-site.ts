// A site file with many devices, rooms and groups, for measuring.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom, silentLogger, systemClock } from '#main/base/index.ts'
import type { DeviceRecord, RoomRecord } from '#main/site/devices/index.ts'
import { createSiteFile } from '#main/store/index.ts'

export interface BigSite {
  readonly path: string
  readonly home: string
  remove(): void
}

const TYPES = ['luminaire', 'luminaire', 'luminaire', 'presence-sensor', 'switch', 'blind', 'thermostat'] as const
const DEVICES_A_ROOM = 12

export function bigSite(devices: number): BigSite {
  const home = mkdtempSync(join(tmpdir(), 'groupwright-bench-'))
  const path = join(home, 'big.site')
  const random = seededRandom(7)
  const details = { name: 'Big', organisation: '', address: '', operator: '' }
  const file = createSiteFile(
    path,
    { id: 'site-bench', kind: 'network', details, demo: null, network: { bindAddress: '::1', coapPort: 0 } },
    { clock: systemClock, logger: silentLogger, appVersion: '0' },
  )
  const rooms: RoomRecord[] = Array.from({ length: Math.ceil(devices / DEVICES_A_ROOM) }, (_, index) => ({
    id: `room-${index}`,
    parentId: null,
    kind: 'room',
    name: `${Math.floor(index / 100)}.${index % 100} Office`,
    position: index,
  }))
  const records: DeviceRecord[] = Array.from({ length: devices }, (_, index) => ({
    id: `device-${index}`,
    name: `Panel ${index}`,
    type: TYPES[random.below(TYPES.length)] ?? 'luminaire',
    roomId: `room-${Math.floor(index / DEVICES_A_ROOM)}`,
    state: index % 5 === 0 ? 'expected' : 'seen',
    stateAt: 1_790_000_000_000,
    stateSource: 'import',
    eui64: `0200${index.toString(16).padStart(12, '0')}`,
    serial: `GW-${index}`,
    model: 'Panel 600',
    profileId: 'groupwright-demo',
    endpointName: null,
    at: { address: `fd00::${(index + 16).toString(16)}`, port: 5683 },
    channelId: 'demo',
    lastHeardAt: 1_790_000_000_000,
    comment: '',
  }))
  file.devices.saveRooms(rooms)
  file.devices.saveDevices(records)
  file.close()
  return { path, home, remove: () => rmSync(home, { recursive: true, force: true }) }
}
