// The walk through the building: whose turn it is, what blinks, and what is left after the battery ran out.
import { describe, expect, it } from 'vitest'
import { AppError, KeyedFeed, silentLogger } from '#main/base/index.ts'
import type { JsonValue } from '#main/base/index.ts'
import { createWalk } from '#main/core/walk.ts'
import type { Walk, WalkPorts } from '#main/core/walk.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

interface Device {
  readonly id: string
  readonly roomId: string | null
  readonly at: object | null
  readonly channelId: string | null
}

class Building {
  readonly clock = new VirtualClock()
  readonly feed = new KeyedFeed<Device>((row) => row.id)
  readonly rooms = new KeyedFeed<{ readonly id: string }>((row) => row.id)
  readonly asked: string[] = []
  readonly roles: string[] = []
  readonly deaf = new Set<string>()
  readonly writer = {
    refusal: undefined as AppError | undefined,
    require(): void {
      if (this.refusal !== undefined) throw this.refusal
    },
  }
  kept: JsonValue | undefined

  constructor(count: number) {
    for (let index = 0; index < count; index++) this.feed.set({ id: `d${index}`, roomId: null, at: {}, channelId: 'c' })
    for (const id of ['r1', 'r2']) this.rooms.set({ id })
  }

  open(uses: readonly string[] = []): Walk {
    const ports = {
      file: { getMeta: () => this.kept, setMeta: (_key: string, value: JsonValue) => void (this.kept = structuredClone(value)) },
      inventory: {
        feed: this.feed,
        roomFeed: this.rooms,
        all: () => this.feed.rows(),
        get: (id: string) => this.feed.get(id),
        update: ([id = '']: readonly string[], { roomId }: { roomId: string }) => {
          if (this.rooms.get(roomId) === undefined) throw new AppError('room.not-found', 'No such room')
          const device = this.feed.get(id)
          if (device !== undefined) this.feed.set({ ...device, roomId })
        },
        contact: (id: string) => ({
          contact: {},
          profile: {
            identify: (_contact: unknown, seconds: number) => {
              this.asked.push(`${id} ${seconds}`)
              return this.deaf.has(id) ? Promise.reject(new AppError('coap.timeout', 'No answer')) : Promise.resolve()
            },
          },
        }),
      },
      groups: { exclusive: (_id: string, work: () => Promise<unknown>) => work() },
      templates: {
        useFeed: { get: (roomId: string) => (uses.includes(roomId) ? { roles: {} } : undefined) },
        assign: ([id = '']: readonly string[], role: string | null) => void this.roles.push(`${id} ${role}`),
      },
      writer: this.writer,
      clock: this.clock,
      logger: silentLogger,
    }
    return createWalk(ports as unknown as WalkPorts)
  }
}

describe('the walk through the building', () => {
  it('lets one device blink at a time, again and again, until it is placed; then the next', async () => {
    const building = new Building(2)
    const walk = building.open()
    walk.start()
    await building.clock.advance(13_000)
    expect(building.asked).toEqual(['d0 8', 'd0 8', 'd0 8'])
    expect(walk.feed.get('walk')).toMatchObject({ active: true, deviceId: 'd0', left: 2, placed: 0, failure: null })
    walk.place('d0', 'r1', null)
    await building.clock.advance(1)
    expect(building.asked.slice(3).toSorted()).toEqual(['d0 1', 'd1 8'])
    expect(walk.feed.get('walk')).toMatchObject({ deviceId: 'd1', left: 1, placed: 1, recentRooms: ['r1'] })
    walk.place('d1', 'r2', null)
    expect(walk.feed.get('walk')).toMatchObject({ deviceId: null, left: 0, placed: 2, recentRooms: ['r2', 'r1'] })
  })

  it('brings devices that were passed over when no other is left', async () => {
    const building = new Building(3)
    const walk = building.open()
    walk.start()
    walk.skip('d0')
    walk.place('d1', 'r1', null)
    walk.place('d2', 'r1', null)
    await building.clock.advance(1)
    expect(walk.feed.get('walk')).toMatchObject({ deviceId: 'd0', left: 1, skipped: 1 })
  })

  it('goes on at the same device after a restart', async () => {
    const building = new Building(3)
    const first = building.open()
    first.start()
    first.skip('d0')
    await building.clock.advance(1)
    // The battery runs out: nothing is closed.
    const again = building.open()
    expect(again.feed.get('walk')).toMatchObject({ active: false, deviceId: null, skipped: 1 })
    again.start()
    expect(again.feed.get('walk')?.deviceId).toBe('d1')
  })

  it('says why a device does not blink and asks it less often, and still places it', async () => {
    const building = new Building(1)
    building.deaf.add('d0')
    const walk = building.open()
    walk.start()
    await building.clock.advance(19_000)
    expect([building.asked.length, walk.feed.get('walk')?.failure?.code]).toEqual([1, 'coap.timeout'])
    await building.clock.advance(2_000)
    expect(building.asked).toHaveLength(2)
    walk.place('d0', 'r1', null)
    expect(walk.feed.get('walk')?.left).toBe(0)
  })

  it('keeps the turn where a room is not there, counts nothing twice, and hands the role on', async () => {
    const building = new Building(2)
    const walk = building.open(['r2'])
    walk.start()
    expect(() => walk.place('d0', 'nowhere', null)).toThrow(AppError)
    expect(walk.feed.get('walk')).toMatchObject({ deviceId: 'd0', placed: 0, recentRooms: [] })
    walk.place('d0', 'r2', 'window')
    walk.place('d1', 'r2', null)
    expect(building.roles).toEqual(['d0 window'])
    walk.stop()
    await building.clock.advance(60_000)
    expect(walk.feed.get('walk')?.active).toBe(false)
  })

  it('lets nothing blink, and does not begin, where another program writes to the site', async () => {
    const building = new Building(2)
    const walk = building.open()
    walk.start()
    await building.clock.advance(1)
    building.writer.refusal = new AppError('site.taken-over', 'Another program writes to this site')
    await building.clock.advance(60_000)
    walk.blink()
    walk.place('d0', 'r1', null)
    walk.stop()
    await building.clock.advance(60_000)
    expect(building.asked).toEqual(['d0 8'])
    expect(building.feed.get('d0')?.roomId).toBe('r1')
    expect(() => walk.start()).toThrow(expect.objectContaining({ code: 'site.taken-over' }))
    expect(walk.feed.get('walk')?.active).toBe(false)
  })

  it('takes the turn of a device that somebody placed in the list meanwhile, and begins when the first is heard', async () => {
    const building = new Building(1)
    const walk = building.open()
    walk.start()
    building.feed.set({ id: 'd0', roomId: 'r1', at: {}, channelId: 'c' })
    expect(walk.feed.get('walk')?.deviceId).toBeNull()
    building.feed.set({ id: 'd9', roomId: null, at: {}, channelId: 'c' })
    await building.clock.advance(250)
    expect([walk.feed.get('walk')?.deviceId, building.asked.at(-1)]).toEqual(['d9', 'd9 8'])
    walk.close()
    await building.clock.advance(60_000)
    expect(building.asked.filter((each) => each === 'd9 8')).toHaveLength(1)
  })
})
