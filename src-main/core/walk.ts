// Walking through the building: the device whose turn it is blinks until it is placed or passed over. Where the walk stands is kept with the site,
// so that a laptop whose battery ran out goes on at the same device.
import { z } from 'zod'
import { AppError, KeyedFeed, toAppError } from '#main/base/index.ts'
import type { Clock, Logger, Timer } from '#main/base/index.ts'
import type { Inventory } from '#main/site/devices/index.ts'
import type { GroupEngine } from '#main/site/groups/index.ts'
import type { Templates } from '#main/site/templates/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import type { WalkRow } from '#contract/model.ts'
import type { SiteWriter } from './writer.ts'

const KEY = 'walk'
/** Blinks are short and asked for again and again: a device that was placed is soon quiet. */
const BLINK_S = 8
const AGAIN_MS = 6_000
/** A device that does not answer is asked less often, for the sake of the others on the air. */
const AFTER_FAILURE_MS = 20_000
const LOOK_AGAIN_MS = 250
const RECENT_ROOMS = 9
const MOST_SKIPPED = 10_000

const kept = z.object({
  deviceId: z.string().nullable(),
  skipped: z.array(z.string()).max(MOST_SKIPPED),
  placed: z.number().int().nonnegative(),
  recentRooms: z.array(z.string()).max(RECENT_ROOMS),
})
type Kept = z.infer<typeof kept>
const NOT_BEGUN: Kept = { deviceId: null, skipped: [], placed: 0, recentRooms: [] }

export interface WalkPorts {
  readonly file: SiteFile
  readonly inventory: Inventory
  readonly groups: Pick<GroupEngine, 'exclusive'>
  readonly templates: Pick<Templates, 'assign' | 'useFeed'>
  readonly writer: Pick<SiteWriter, 'require' | 'refusal'>
  readonly clock: Clock
  readonly logger: Logger
}

export interface Walk {
  readonly feed: KeyedFeed<WalkRow>
  /** Throws `site.taken-over`. */
  start(): void
  stop(): void
  blink(): void
  /** Throws `device.not-found`, `room.not-found`, `template.*`. */
  place(deviceId: string, roomId: string, role: string | null): void
  skip(deviceId: string): void
  close(): void
}

export function createWalk({ file, inventory, groups, templates, writer, clock, logger }: WalkPorts): Walk {
  const feed = new KeyedFeed<WalkRow>((row) => row.key)
  let state: Kept = kept.safeParse(file.getMeta(KEY)).data ?? NOT_BEGUN
  let active = false
  let blinkedAt: number | null = null
  let failure: WalkRow['failure'] = null
  let timer: Timer | undefined
  let asking: AbortController | undefined

  const open = (): readonly string[] =>
    inventory
      .all()
      .filter(({ roomId, at, channelId }) => roomId === null && at !== null && channelId !== null)
      .map(({ id }) => id)
  const show = (): void => {
    const ids = open()
    const skipped = new Set(state.skipped)
    feed.set({
      key: 'walk',
      active,
      deviceId: active ? state.deviceId : null,
      blinkedAt,
      failure,
      left: ids.length,
      skipped: ids.filter((id) => skipped.has(id)).length,
      placed: state.placed,
      recentRooms: state.recentRooms.filter((id) => inventory.roomFeed.get(id) !== undefined),
    })
  }
  const keep = (next: Kept): void => {
    state = next
    file.setMeta(KEY, { deviceId: next.deviceId, skipped: [...next.skipped], placed: next.placed, recentRooms: [...next.recentRooms] })
  }
  const identify = (id: string, seconds: number, signal?: AbortSignal): Promise<void> =>
    groups.exclusive(id, async () => {
      signal?.throwIfAborted()
      const { contact, profile } = inventory.contact(id)
      await profile.identify(contact, seconds, signal)
    })
  const rest = (): void => {
    timer?.cancel()
    timer = undefined
    asking?.abort()
    asking = undefined
  }
  /** Whoever's turn is over stops soon: a second is the least that can be asked for. */
  const quieten = (id: string | null): void => {
    if (id === null || blinkedAt === null || inventory.get(id) === undefined || writer.refusal !== undefined) return
    identify(id, 1).catch((thrown: unknown) => logger.debug({ code: toAppError(thrown).code }, 'a device goes on blinking for a while'))
  }
  const ask = (): void => {
    rest()
    const { deviceId } = state
    if (!active || deviceId === null || writer.refusal !== undefined) return
    const own = new AbortController()
    asking = own
    identify(deviceId, BLINK_S, own.signal).then(
      () => {
        if (asking !== own) return
        blinkedAt = clock.now()
        failure = null
        timer = clock.setTimer(AGAIN_MS, ask)
        show()
      },
      (thrown: unknown) => {
        if (asking !== own) return
        const { code, message, retryable, details } = toAppError(thrown)
        failure = { code, message, retryable, details: { ...details } }
        timer = clock.setTimer(AFTER_FAILURE_MS, ask)
        show()
      },
    )
  }
  /** The next one that was not passed over; those that were, when no other is left. */
  const next = (): string | null => {
    const ids = open()
    const skipped = new Set(state.skipped)
    const fresh = ids.find((id) => !skipped.has(id))
    return fresh ?? state.skipped.find((id) => ids.includes(id)) ?? null
  }
  const turnTo = (deviceId: string | null): void => {
    keep({ ...state, deviceId })
    blinkedAt = null
    failure = null
    ask()
    show()
  }
  /** Devices are heard many times a second, and all of them have to be looked through. */
  let looking: Timer | undefined
  const lookAgain = (): void => {
    looking = undefined
    const first = active && state.deviceId === null ? next() : null
    if (first === null) show()
    else turnTo(first)
  }
  /** The device whose turn it is may be placed or removed elsewhere; the first one may only now be heard. */
  const endChanges = inventory.feed.subscribe(() => {
    const here = state.deviceId === null ? undefined : inventory.get(state.deviceId)
    const isOver = active && state.deviceId !== null && here?.roomId !== null
    if (isOver) turnTo(next())
    else looking ??= clock.setTimer(LOOK_AGAIN_MS, lookAgain)
  })

  show()
  return {
    feed,
    start() {
      if (active) return
      writer.require()
      active = true
      const here = state.deviceId
      turnTo(here !== null && open().includes(here) ? here : next())
    },
    stop() {
      if (!active) return
      rest()
      quieten(state.deviceId)
      active = false
      show()
    },
    blink() {
      if (active) ask()
    },
    place(deviceId, roomId, role) {
      if (inventory.get(deviceId) === undefined)
        throw new AppError('device.not-found', `No device ${deviceId}`, { details: { id: deviceId } })
      const isTurn = active && deviceId === state.deviceId
      if (isTurn) {
        rest()
        quieten(deviceId)
      }
      const recentRooms = [roomId, ...state.recentRooms.filter((id) => id !== roomId)].slice(0, RECENT_ROOMS)
      const before = state
      try {
        // Kept first: placing it makes the next one's turn.
        keep({ ...state, placed: state.placed + 1, recentRooms, skipped: state.skipped.filter((id) => id !== deviceId) })
        inventory.update([deviceId], { roomId })
      } catch (thrown) {
        keep(before)
        if (isTurn) ask()
        throw thrown
      }
      if (templates.useFeed.get(roomId) !== undefined && (role !== null || hasRole(roomId, deviceId))) templates.assign([deviceId], role)
      show()
    },
    skip(deviceId) {
      if (!active || deviceId !== state.deviceId) return
      rest()
      quieten(deviceId)
      keep({ ...state, skipped: [...state.skipped.filter((id) => id !== deviceId), deviceId].slice(-MOST_SKIPPED) })
      turnTo(next())
    },
    close() {
      rest()
      looking?.cancel()
      endChanges()
    },
  }

  /** Whether one role of the room's template fits it alone: then nobody has to say which. */
  function hasRole(roomId: string, deviceId: string): boolean {
    return templates.useFeed.get(roomId)?.roles[deviceId] !== undefined
  }
}
