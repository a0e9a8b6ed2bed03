// Following feeds and calling ops through the bridge, as components do it.
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { computed, effectScope, nextTick } from 'vue'
import type { Bridge } from '#contract/bridge.ts'
import type { FeedMessage, FeedName } from '#contract/feeds.ts'
import type { RoomRow } from '#contract/model.ts'
import type { Reply } from '#contract/ops.ts'

const subscriptions: Array<{ readonly feed: FeedName; readonly send: (message: FeedMessage) => void; ended: boolean }> = []
let answer: () => Promise<unknown> = () => Promise.resolve({ ok: true, value: undefined })

const bridge: Bridge = {
  call: <Name extends never>() => answer() as Promise<Reply<Name>>,
  subscribe(feed, listener) {
    const entry = { feed, send: listener as (message: FeedMessage) => void, ended: false }
    subscriptions.push(entry)
    return () => {
      entry.ended = true
    }
  },
  onConnection: () => () => undefined,
}
vi.stubGlobal('window', { groupwright: bridge })
const { useFeed } = await import('../../src-renderer/stores/feeds.ts')
const { useOp } = await import('../../src-renderer/composables/use-op.ts')

const room = (id: string, name = id): RoomRow => ({ id, parentId: null, kind: 'room', name, position: 0 })
const snapshot = (version: number, rows: readonly RoomRow[]): FeedMessage => ({ kind: 'snapshot', version, rows: [...rows] })
const delta = (version: number, upsert: readonly RoomRow[]): FeedMessage => ({ kind: 'delta', version, upsert: [...upsert], remove: [] })

beforeEach(() => {
  vi.useFakeTimers()
  setActivePinia(createPinia())
  subscriptions.length = 0
})
afterEach(() => vi.useRealTimers())

describe('useFeed', () => {
  it('follows a feed once for all who look, and ends it a while after the last has gone', () => {
    const first = effectScope()
    const second = effectScope()
    const a = first.run(() => useFeed('rooms'))!
    const b = second.run(() => useFeed('rooms'))!
    expect(subscriptions).toHaveLength(1)
    subscriptions[0]!.send(snapshot(0, [room('1')]))
    expect(a.rows.value).toBe(b.rows.value)
    expect(a.ready.value).toBe(true)

    first.stop()
    vi.advanceTimersByTime(60_000)
    expect(subscriptions[0]!.ended).toBe(false)
    second.stop()
    expect(subscriptions[0]!.ended).toBe(false)
    vi.advanceTimersByTime(60_000)
    expect(subscriptions[0]!.ended).toBe(true)
    expect(b.rows.value).toEqual([])
    expect(b.ready.value).toBe(false)
  })

  it('keeps following when the next view looks at once', () => {
    const first = effectScope()
    first.run(() => useFeed('rooms'))
    first.stop()
    effectScope().run(() => useFeed('rooms'))
    vi.advanceTimersByTime(60_000)
    expect(subscriptions).toHaveLength(1)
    expect(subscriptions[0]!.ended).toBe(false)
  })

  it('subscribes anew when a delta is missing, and takes nothing from the old subscription any more', async () => {
    const feed = effectScope().run(() => useFeed('rooms'))!
    subscriptions[0]!.send(snapshot(1, [room('1')]))
    subscriptions[0]!.send(delta(3, [room('3')]))
    await nextTick()
    expect(subscriptions).toHaveLength(2)
    expect(subscriptions[0]!.ended).toBe(true)
    subscriptions[0]!.send(snapshot(9, []))
    expect(feed.rows.value).toEqual([room('1')])
    subscriptions[1]!.send(snapshot(3, [room('1'), room('2'), room('3')]))
    expect(feed.rows.value).toHaveLength(3)
  })

  it('makes a computed that asks for a row follow that row', () => {
    const feed = effectScope().run(() => useFeed('rooms'))!
    const name = computed(() => feed.byKey('1')?.name ?? 'none')
    expect(name.value).toBe('none')
    subscriptions[0]!.send(snapshot(0, [room('1', 'Office')]))
    expect(name.value).toBe('Office')
    subscriptions[0]!.send(delta(1, [room('1', 'Kitchen')]))
    expect(name.value).toBe('Kitchen')
  })
})

describe('useOp', () => {
  it('is busy while it runs and gives what came back', async () => {
    answer = () => Promise.resolve({ ok: true, value: { id: 'new' } })
    const op = useOp('rooms.create')
    const running = op.run({ parentId: null, kind: 'room', name: 'Office' })
    expect(op.busy.value).toBe(true)
    expect(await running).toEqual({ id: 'new' })
    expect(op.busy.value).toBe(false)
  })

  it('tells done from failed also where an op gives nothing', async () => {
    answer = () => Promise.resolve({ ok: true, value: undefined })
    const op = useOp('rooms.remove')
    expect(await op.run({ id: '1' })).toBe(true)
    answer = () => Promise.resolve({ ok: false, error: { code: 'room.not-empty', message: 'two devices', retryable: false, details: {} } })
    expect(await op.run({ id: '1' })).toBeUndefined()
    expect(op.failure.value).toMatchObject({ code: 'room.not-empty', message: 'two devices' })
    op.clear()
    expect(op.failure.value).toBeNull()
  })

  it('does not show what a person cancelled as a failure', async () => {
    answer = () => Promise.resolve({ ok: false, error: { code: 'cancelled', message: '', retryable: true, details: {} } })
    const op = useOp('rooms.remove')
    expect(await op.run({ id: '1' })).toBeUndefined()
    expect(op.failure.value).toBeNull()
  })

  it('turns a broken bridge into a failure instead of an exception', async () => {
    answer = () => Promise.reject(new TypeError('gone'))
    const op = useOp('rooms.remove')
    expect(await op.run({ id: '1' })).toBeUndefined()
    expect(op.failure.value).toMatchObject({ code: 'internal', message: 'gone' })
    expect(op.busy.value).toBe(false)
  })
})
