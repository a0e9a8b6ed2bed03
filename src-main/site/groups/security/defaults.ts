// What the tool chooses where nobody has: groups whose members can join are protected, all groups of a room by one security group.
import type { DeviceDirectory } from '#main/site/devices/index.ts'
import { checkSecurityGroupName } from './suites.ts'

const LONGEST_BYTES = 40
const encoder = new TextEncoder()

export interface NamedGroup {
  readonly name: string
  readonly roomId: string | null
}

/** Names for the security group of a room, or of a group without one; the first that is free is taken. */
export function* securityGroupNames(devices: Pick<DeviceDirectory, 'rooms'>, group: NamedGroup): Generator<string, void> {
  const rooms = new Map(devices.rooms().map((room) => [room.id, room]))
  const path: string[] = []
  for (let room = rooms.get(group.roomId ?? ''); room !== undefined && path.length < 8; room = rooms.get(room.parentId ?? ''))
    path.push(room.name)
  const room = path[0]
  const candidates: string[] = []
  if (room !== undefined) {
    const number = /^\S*\d\S*(?=\s)/.exec(room.trim())?.[0]
    if (number !== undefined) candidates.push(number)
    for (let above = 1; above <= path.length; above++) candidates.push(path.slice(0, above).reverse().join('-'))
  } else candidates.push(group.name)
  const usable = candidates.flatMap((name) => usableName(name) ?? [])
  yield* usable
  const last = usable.at(-1) ?? 'group'
  for (let number = 2; number < 10_000; number++) yield `${last}-${number}`
}

function usableName(text: string): string | undefined {
  const clean = text
    .trim()
    .replace(/[/\\?#%&;"<>|]/g, ' ')
    .replace(/\s+/g, '-')
  let short = ''
  for (const character of clean) {
    if (encoder.encode(short + character).length > LONGEST_BYTES) break
    short += character
  }
  try {
    return checkSecurityGroupName(short)
  } catch {
    return undefined
  }
}
