// groupwright walk: devices without a room blink one after the other; each line typed is the room of the one that blinks.
import { createInterface } from 'node:readline'
import type { Command } from 'commander'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import { withSite } from './with-site.ts'

type Action = (context: CommandContext, ...names: readonly string[]) => Promise<number>
type Runs = (action: Action) => (...found: readonly unknown[]) => Promise<void>

/** `ROOM` or `ROOM: ROLE` places the device, an empty line passes it over, the end of the input stops; the next walk goes on there. */
export async function walkThrough(context: CommandContext): Promise<number> {
  return withSite(context, async ({ session }) => {
    await session.call('walk.start', {})
    const turn = () => session.rows('walk')[0]
    const tell = (): boolean => {
      const row = turn()
      const device = session.rows('devices').find(({ id }) => id === row?.deviceId)
      if (row === undefined || device === undefined) return false
      context.output.line(`${device.name} (${device.serial ?? device.eui64 ?? device.id}) blinks; ${row.left} left. Room?`)
      return true
    }
    try {
      if (!tell()) return EXIT.ok
      for await (const line of createInterface({ input: process.stdin })) {
        const deviceId = turn()?.deviceId
        if (deviceId === undefined || deviceId === null) break
        const [roomName = '', role] = line.split(':').map((part) => part.trim())
        const room = session.rows('rooms').find((each) => each.name === roomName || each.id === roomName)
        if (roomName === '') await session.call('walk.skip', { deviceId })
        else if (room === undefined) context.output.line(`There is no room ${roomName}`)
        else await session.call('walk.place', { deviceId, roomId: room.id, role: role === undefined || role === '' ? null : role })
        if (!tell()) break
      }
    } finally {
      await session.call('walk.stop', {})
    }
    const row = turn()
    context.output.value({ placed: row?.placed ?? 0, left: row?.left ?? 0 }, `${row?.placed ?? 0} placed, ${row?.left ?? 0} left`)
    return (row?.left ?? 0) === 0 ? EXIT.ok : EXIT.incomplete
  })
}

export function addWalkCommands(program: Command, runs: Runs): void {
  program
    .command('walk')
    .description(
      'devices without a room blink one after the other; type the room of each (ROOM or ROOM: ROLE), or an empty line to pass it over',
    )
    .action(runs(walkThrough))
}
