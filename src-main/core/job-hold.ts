// Jobs wait for a dongle that has gone: items of devices behind it start again by themselves when it is back, and none is lost.
import type { Clock, Timer } from '#main/base/index.ts'
import type { Inventory } from '#main/site/devices/index.ts'
import type { JobService } from '#main/site/jobs/index.ts'
import type { Dongles } from './dongles.ts'

/** Until then CoAP's own repetitions bridge the gap; before sending begins to fail, items under way are put back. */
const PUT_BACK_MS = 25_000

export function holdJobs(jobs: JobService, inventory: Pick<Inventory, 'get'>, dongles: Dongles, clock: Clock): () => void {
  let away: ReadonlySet<string> = new Set()
  const timers = new Map<string, Timer>()
  /** Subjects are devices, or memberships of devices (`device group`). */
  const isHeld = (subject: string): boolean => {
    const channelId = inventory.get(subject.split(' ', 1)[0] ?? '')?.channelId
    return channelId !== undefined && channelId !== null && away.has(channelId)
  }
  const look = (): void => {
    const now = new Set(dongles.feed.rows().flatMap(({ id, state }) => (state === 'up' || state === 'closed' ? [] : [id])))
    for (const id of now) {
      if (timers.has(id)) continue
      timers.set(
        id,
        clock.setTimer(PUT_BACK_MS, () => jobs.hold(isHeld, { abort: true })),
      )
    }
    for (const [id, timer] of timers) {
      if (now.has(id)) continue
      timer.cancel()
      timers.delete(id)
    }
    if (now.size === away.size && [...now].every((id) => away.has(id))) return
    away = now
    jobs.hold(isHeld)
  }
  look()
  const unfollow = dongles.onReach(look)
  return () => {
    unfollow()
    for (const timer of timers.values()) timer.cancel()
    timers.clear()
  }
}
