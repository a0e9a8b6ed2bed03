// Feeds: a snapshot, then coalesced deltas; bounded for slow subscribers.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ClientSubscriptions, SUBSCRIPTION_LIMIT, UNACKNOWLEDGED_LIMIT } from '#main/ipc/index.ts'
import type { FeedMessage } from '#contract/feeds.ts'
import type { RoomRow } from '#contract/model.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { contractDouble } from './contract-double.ts'

const room = (id: string, name = id): RoomRow => ({ id, parentId: null, kind: 'room', name, position: 0 })

function followRooms() {
  const clock = new VirtualClock()
  const { service, feeds } = contractDouble({ clock })
  const messages: Array<{ readonly atMs: number; readonly message: FeedMessage }> = []
  feeds.rooms.set(room('a'))
  const end = service.subscribe('rooms', (message) => void messages.push({ atMs: clock.monotonicMs(), message }))
  return { clock, service, rooms: feeds.rooms, messages, end: end ?? (() => undefined) }
}

test('a subscriber gets the rows at once', () => {
  const { messages } = followRooms()
  expect(messages).toEqual([{ atMs: 0, message: { kind: 'snapshot', version: 0, rows: [room('a')] } }])
})

test('a burst of changes is one delta with the last state of each key', async () => {
  const { clock, rooms, messages } = followRooms()
  for (let index = 0; index < 1000; index++) rooms.set(room('b', `name ${index}`))
  rooms.set(room('c'))
  rooms.delete(['a', 'c'])
  await clock.advance(0)
  expect(messages.slice(1)).toEqual([
    { atMs: 0, message: { kind: 'delta', version: 1, upsert: [room('b', 'name 999')], remove: ['c', 'a'] } },
  ])
})

test('deltas come at most ten times a second, and the last change is never lost', async () => {
  const { clock, rooms, messages } = followRooms()
  for (let index = 0; index < 200; index++) {
    rooms.set(room('a', `name ${index}`))
    await clock.advance(10)
  }
  await clock.advance(100)
  expect(messages.length - 1).toBeLessThanOrEqual(21)
  expect(messages.at(-1)?.message).toMatchObject({ upsert: [room('a', 'name 199')] })
})

test('a late subscriber starts at the version of its snapshot, and versions go on without a gap for everybody', async () => {
  const { clock, service, rooms, messages } = followRooms()
  rooms.set(room('b'))
  await clock.advance(100)
  rooms.set(room('c'))
  const late: FeedMessage[] = []
  service.subscribe('rooms', (message) => void late.push(message))
  await clock.advance(200)
  rooms.set(room('d'))
  await clock.advance(200)
  expect(late.map(({ kind, version }) => `${kind} ${version}`)).toEqual(['snapshot 1', 'delta 2', 'delta 3'])
  expect(messages.map(({ message }) => message.version)).toEqual([0, 1, 2, 3])
})

test('nothing comes after the end, and no timer stays', async () => {
  const { clock, rooms, messages, end } = followRooms()
  rooms.set(room('b'))
  end()
  expect(clock.pendingTimers).toBe(0)
  rooms.set(room('c'))
  await clock.advance(1000)
  expect(messages).toHaveLength(1)
})

test('a subscriber that throws is dropped and the others go on', async () => {
  const { clock, service, rooms, messages } = followRooms()
  let calls = 0
  service.subscribe('rooms', () => {
    calls += 1
    throw new Error('subscriber defect')
  })
  rooms.set(room('b'))
  await clock.advance(100)
  rooms.set(room('c'))
  await clock.advance(100)
  expect(calls).toBe(1)
  expect(messages).toHaveLength(3)
})

test('an unknown feed is undefined, names from the prototype chain included', () => {
  const { service } = contractDouble()
  for (const name of ['nothing', '__proto__', 'constructor', undefined, 5, {}])
    expect(service.subscribe(name, () => undefined)).toBeUndefined()
})

test('a client that does not acknowledge is paused within bounds, and catches up with a snapshot', async () => {
  const clock = new VirtualClock()
  const { service, feeds } = contractDouble({ clock })
  const messages: FeedMessage[] = []
  const client = new ClientSubscriptions(service, (_id, message) => void messages.push(message))
  expect(client.subscribe(1, 'rooms')).toBe('subscribed')
  for (let index = 0; index < 100; index++) {
    feeds.rooms.set(room('a', `name ${index}`))
    await clock.advance(100)
  }
  expect(messages).toHaveLength(UNACKNOWLEDGED_LIMIT)
  for (let index = 0; index < UNACKNOWLEDGED_LIMIT; index++) client.acknowledge(1)
  expect(messages.at(-1)).toMatchObject({ kind: 'snapshot', rows: [room('a', 'name 99')] })
  client.acknowledge(1)
  feeds.rooms.set(room('b'))
  await clock.advance(100)
  expect(messages.at(-1)).toMatchObject({ kind: 'delta', upsert: [room('b')] })
})

test('a client has a bounded number of subscriptions, each under its own id', () => {
  const { service } = contractDouble()
  const client = new ClientSubscriptions(service, () => undefined)
  for (let id = 0; id < SUBSCRIPTION_LIMIT; id++) expect(client.subscribe(id, 'rooms')).toBe('subscribed')
  expect(client.subscribe(SUBSCRIPTION_LIMIT, 'rooms')).toBe('too-many')
  expect(client.subscribe(0, 'rooms')).toBe('id-in-use')
  client.unsubscribe(0)
  expect(client.subscribe(0, 'nothing')).toBe('unknown-feed')
  client.clear()
  expect(client.size).toBe(0)
})

test('property: snapshot and deltas applied in order give the rows as they are', async () => {
  const edit = fc.oneof(
    fc.record({
      set: fc.constantFrom('a', 'b', 'c', 'd'),
      name: fc.string({ minLength: 1, maxLength: 3 }).map((text) => `n${text.trim()}`),
    }),
    fc.record({ remove: fc.constantFrom('a', 'b', 'c', 'd') }),
    fc.record({ pauseMs: fc.integer({ min: 0, max: 250 }) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { maxLength: 40 }), async (edits) => {
      const clock = new VirtualClock()
      const { service, feeds } = contractDouble({ clock })
      const seen = new Map<string, unknown>()
      let version: number | undefined
      service.subscribe('rooms', (message) => {
        if (message.kind === 'snapshot') {
          for (const row of message.rows) if ('id' in row) seen.set(row.id, row)
        } else {
          expect(message.version).toBe((version ?? Number.NaN) + 1)
          for (const row of message.upsert) if ('id' in row) seen.set(row.id, row)
          for (const key of message.remove) seen.delete(key)
        }
        version = message.version
      })
      for (const step of edits) {
        if ('set' in step) feeds.rooms.set(room(step.set, step.name))
        else if ('remove' in step) feeds.rooms.delete([step.remove])
        else await clock.advance(step.pauseMs)
      }
      await clock.advance(200)
      expect(seen).toEqual(new Map(feeds.rooms.rows().map((row) => [row.id, row])))
    }),
    { numRuns: 60 },
  )
})
