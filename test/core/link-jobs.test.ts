// A dongle pulled in the middle of the work and put back: the job loses nothing and ends by itself; a blockwise transfer goes on.
import { describe, expect, it } from 'vitest'
import { linkBench } from './link-bench.ts'
import type { LinkBench } from './link-bench.ts'

/** Devices found, in one group, nothing applied yet. */
async function planned({ session, plugIn }: LinkBench): Promise<string> {
  const id = await plugIn()
  await session.call('discovery.start', { seconds: 4 })
  await session.when('discovery', (row) => row.state === 'idle' && row.heard >= 12)
  const members = session.rows('devices').map((device) => device.id)
  await session.call('groups.createApplication', { name: 'all', members })
  await expect.poll(() => session.rows('plan').length).toBe(members.length)
  return id
}

describe('an apply job', () => {
  it('waits while the dongle is away and loses nothing', async () => {
    const bench = await linkBench({ radio: 'real' })
    const { session, mesh, state, row } = bench
    const id = await planned(bench)
    const { jobId } = await session.call('apply.start', {})
    await session.when('jobs', (job) => job.id === jobId && job.counts.ok >= 2)
    mesh.unplug()
    await session.when('links', (each) => each.id === id && each.state !== 'up')
    await expect.poll(() => session.rows('jobs').find((job) => job.id === jobId)?.counts.running).toBeLessThanOrEqual(4)
    const before = session.rows('jobs').find((job) => job.id === jobId)
    expect(before?.counts.pending).toBeGreaterThan(0)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    // Nothing more was started: those under way repeat their requests.
    expect(session.rows('jobs').find((job) => job.id === jobId)).toMatchObject({
      state: 'running',
      counts: { pending: before!.counts.pending },
    })
    mesh.replug()
    await session.call('link.retry', { id })
    await state(id, 'up')
    const done = await session.job(jobId)
    expect(done.counts).toMatchObject({ ok: 12, failed: 0, skipped: 0 })
    expect(row(id).counters.losses).toBe(1)
    await expect.poll(() => session.rows('plan')).toEqual([])
  }, 90_000)

  it('starts nothing while the dongle is not plugged in, and goes on with it when it comes', async () => {
    const bench = await linkBench()
    const { session, mesh, state } = bench
    const id = await planned(bench)
    mesh.unplug()
    await session.when('links', (each) => each.id === id && each.state !== 'up')
    const { jobId } = await session.call('apply.start', {})
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(session.rows('jobs').find((job) => job.id === jobId)?.counts).toMatchObject({ pending: 12, running: 0, failed: 0 })
    mesh.replug()
    await session.call('link.retry', { id })
    await state(id, 'up')
    expect((await session.job(jobId)).counts).toMatchObject({ ok: 12, failed: 0 })
  }, 60_000)
})
