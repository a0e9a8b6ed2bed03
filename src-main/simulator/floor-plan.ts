// The demo site's plan: a believable office floor and its devices, grown from a seed.
import { seededRandom, type Eui64, type Random } from '#main/base/index.ts'

export type DemoDeviceType = 'luminaire' | 'switch' | 'presence-sensor' | 'blind' | 'thermostat'

export interface PlannedDevice {
  readonly eui64: Eui64
  readonly serial: string
  readonly name: string
  readonly type: DemoDeviceType
  readonly model: string
  readonly fw: string
  /** Building, floor and room. */
  readonly room: readonly [string, string, string]
  readonly comment: string
}

interface RoomUse {
  readonly name: string
  readonly lamp: readonly [name: string, model: string]
  readonly fewestLamps: number
  readonly mostLamps: number
  readonly extras: ReadonlyArray<readonly [name: string, type: DemoDeviceType, model: string]>
}

const PANEL = ['Panel', 'Demo Panel 600'] as const
const DOWNLIGHT = ['Downlight', 'Demo Downlight 150'] as const
const LINEAR = ['Linear', 'Demo Linear 1200'] as const
const PRESENCE = ['Presence', 'presence-sensor', 'Demo Presence 360'] as const
const SWITCH = ['Switch', 'switch', 'Demo Switch 4'] as const
const BLIND = ['Blind', 'blind', 'Demo Blind Drive'] as const
const THERMOSTAT = ['Thermostat', 'thermostat', 'Demo Thermostat R2'] as const

/** Six to eight devices each; the more usual a room, the more often it stands here. */
const ROOM_USES: readonly [RoomUse, ...RoomUse[]] = [
  { name: 'Office', lamp: PANEL, fewestLamps: 3, mostLamps: 4, extras: [PRESENCE, SWITCH, BLIND, THERMOSTAT] },
  { name: 'Office', lamp: PANEL, fewestLamps: 3, mostLamps: 4, extras: [PRESENCE, SWITCH, BLIND] },
  { name: 'Office', lamp: PANEL, fewestLamps: 4, mostLamps: 5, extras: [PRESENCE, SWITCH, THERMOSTAT] },
  { name: 'Meeting', lamp: PANEL, fewestLamps: 3, mostLamps: 4, extras: [PRESENCE, SWITCH, BLIND, THERMOSTAT] },
  { name: 'Open Space', lamp: LINEAR, fewestLamps: 5, mostLamps: 6, extras: [PRESENCE, SWITCH] },
  { name: 'Corridor', lamp: DOWNLIGHT, fewestLamps: 5, mostLamps: 6, extras: [PRESENCE, SWITCH] },
  { name: 'Focus', lamp: DOWNLIGHT, fewestLamps: 3, mostLamps: 3, extras: [PRESENCE, SWITCH, BLIND, THERMOSTAT] },
  { name: 'Kitchen', lamp: DOWNLIGHT, fewestLamps: 4, mostLamps: 5, extras: [PRESENCE, SWITCH, THERMOSTAT] },
  { name: 'Print & Copy', lamp: PANEL, fewestLamps: 4, mostLamps: 4, extras: [PRESENCE, SWITCH] },
]
const BUILDINGS = ['Harbour House', 'Quay House', 'Mill House', 'Dock House', 'Wharf House', 'Lock House', 'Pier House', 'Tide House']
const ROOMS_A_FLOOR = 36
const FLOORS_A_BUILDING = 8
const COMMENTS: readonly [string, ...string[]] = [
  '',
  '',
  '',
  '',
  '',
  '',
  '',
  '',
  'ladder needed',
  'above the door',
  'behind the ceiling tile',
  'window side',
]

/** The same devices for the same count and seed; a larger count only adds rooms. */
export function planFloor(count: number, seed: number): readonly PlannedDevice[] {
  const random = seededRandom(seed)
  const firstSerial = 1 + random.below(80_000)
  const severalBuildings = count > ROOMS_A_FLOOR * FLOORS_A_BUILDING * 7
  const devices: PlannedDevice[] = []
  for (let roomIndex = 0; devices.length < count; roomIndex++) {
    const floorIndex = Math.floor(roomIndex / ROOMS_A_FLOOR)
    const building = Math.floor(floorIndex / FLOORS_A_BUILDING)
    // One floor is taken from the middle of the house; a whole house starts above its ground floor.
    const floor = 2 + (floorIndex % FLOORS_A_BUILDING)
    const letter = severalBuildings ? String.fromCharCode(65 + building) : ''
    const number = `${letter}${floor}.${String((roomIndex % ROOMS_A_FLOOR) + 1).padStart(2, '0')}`
    const use = pick(ROOM_USES, random)
    const path = [BUILDINGS[building] ?? `House ${building + 1}`, `Floor ${floor}`, `${number} ${use.name}`] as const
    for (const [name, type, model] of devicesOf(use, random)) {
      if (devices.length >= count) break
      const index = devices.length
      devices.push({
        eui64: `020000fffe${(index + 1).toString(16).padStart(6, '0')}`,
        serial: `GW-24-${String(firstSerial + index).padStart(5, '0')}`,
        name: `${number} ${name}`,
        type,
        model,
        fw: '1.4.2',
        room: path,
        comment: pick(COMMENTS, random),
      })
    }
  }
  return devices
}

function devicesOf(use: RoomUse, random: Random): ReadonlyArray<readonly [string, DemoDeviceType, string]> {
  const lamps = use.fewestLamps + random.below(use.mostLamps - use.fewestLamps + 1)
  const [name, model] = use.lamp
  return [...Array.from({ length: lamps }, (_, index) => [`${name} ${index + 1}`, 'luminaire', model] as const), ...use.extras]
}

function pick<Value>(values: readonly [Value, ...Value[]], random: Random): Value {
  return values[random.below(values.length)] ?? values[0]
}

const EUI_PAIRS = /../g

/** The plan as an installer gets it from the planner: a CSV list with rooms as paths. */
export function formatDeviceList(devices: readonly PlannedDevice[]): string {
  const rows = devices.map((device) => [
    device.name,
    device.type,
    device.room.join('/'),
    (device.eui64.match(EUI_PAIRS) ?? []).join('-').toUpperCase(),
    device.serial,
    device.comment,
  ])
  return [['Name', 'Type', 'Room', 'EUI64', 'Serial', 'Comment'], ...rows].map((row) => row.map(quoteField).join(';') + '\r\n').join('')
}

function quoteField(text: string): string {
  return /[";\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
