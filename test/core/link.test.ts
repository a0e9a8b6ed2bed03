// The site's dongles over the contract, against simulated firmware: found, opened, in a network, pulled and put back; keys stay where they are.
import { describe, expect, it } from 'vitest'
import { toHex } from '#main/base/index.ts'
import { siteDataset } from '#main/simulator/index.ts'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readdirSync } from 'node:fs'
import { linkBench } from './link-bench.ts'

async function failureOf(work: Promise<unknown>): Promise<{ readonly code: string; readonly details: Record<string, unknown> }> {
  return work.then(
    () => ({ code: 'no failure', details: {} }),
    (thrown: unknown) => thrown as { readonly code: string; readonly details: Record<string, unknown> },
  )
}

describe('ports', () => {
  it('are listed unopened, asked what they are, and remember the answer', async () => {
    const { session, mesh } = await linkBench()
    expect(await session.call('link.ports', {})).toMatchObject({
      ports: [{ path: mesh.port.path, verdict: { kind: 'unknown' }, usedBy: null }],
      reason: null,
    })
    expect(await session.call('link.probe', { path: mesh.port.path })).toMatchObject({
      firmware: 'spinel-ncp',
      usable: true,
      refusal: null,
    })
    expect((await session.call('link.ports', {})).ports[0]?.verdict).toEqual({ kind: 'usable', firmware: 'spinel-ncp' })
  })

  it('that a dongle of the site uses are not asked', async () => {
    const { session, mesh, plugIn } = await linkBench()
    const id = await plugIn()
    expect((await session.call('link.ports', {})).ports[0]).toMatchObject({ usedBy: id, verdict: { kind: 'usable' } })
    expect((await failureOf(session.call('link.probe', { path: mesh.port.path }))).code).toBe('link.port-busy')
  })

  it('that do not exist are a failure with a code, and so is an unknown dongle', async () => {
    const { session } = await linkBench()
    expect((await failureOf(session.call('link.probe', { path: '/dev/ttyNONE' }))).code).toBe('link.port-missing')
    expect((await failureOf(session.call('link.retry', { id: 'dongle:000000' }))).code).toBe('link.port-missing')
  })
})

describe('a dongle of the site', () => {
  it('comes up, shows its network and addresses, and the site listens behind it', async () => {
    const { session, plugIn, row } = await linkBench({ radio: 'real' })
    const id = await plugIn()
    expect(row(id)).toMatchObject({
      state: 'up',
      firmware: 'spinel-ncp',
      carries: { multicast: true, linkLocal: true },
      network: { networkName: 'groupwright demo', channel: 15, saved: true },
      failure: null,
    })
    expect(row(id).addresses.map(({ address }) => address)).toContain('fd00::1')
    await expect
      .poll(() => session.rows('session')[0]?.network.listening)
      .toContainEqual({ scheme: 'coap', address: 'fd00::1', port: 5683, channel: id })
    // What a border router is to announce is the address in the mesh (RFC 9176 §4.1.1).
    expect(await session.call('rd.addressOptions', {})).toMatchObject([{ address: 'fd00::1', lifetimeS: 90_000 }])
    await session.call('link.refresh', { id })
    expect(row(id).neighbours.length).toBeGreaterThan(0)
  })

  it('finds devices by multicast to ff03::fd, and they register behind it', async () => {
    const { session, plugIn } = await linkBench()
    const id = await plugIn()
    await session.call('discovery.start', { seconds: 4 })
    await session.when('discovery', (row) => row.state === 'idle' && row.heard === 12)
    expect(new Set(session.rows('devices').map((device) => device.address === null))).toEqual(new Set([false]))
    expect(id).toMatch(/^dongle:[0-9a-f]{6}$/)
  })

  it('is there again when the site is opened again, and gone when it was removed', async () => {
    const { session, plugIn, state } = await linkBench()
    const id = await plugIn()
    const [recent] = await session.call('site.recent', {})
    await session.call('site.close', {})
    expect(session.rows('links')).toEqual([])
    await session.call('site.open', { handle: recent!.handle })
    await state(id, 'up')
    await session.call('link.close', { id })
    expect((await state(id, 'closed')).counters.sessions).toBe(0)
    await session.call('link.open', { id })
    await state(id, 'up')
    await session.call('link.remove', { id })
    expect(session.rows('links')).toEqual([])
    await session.call('site.close', {})
    await session.call('site.open', { handle: recent!.handle })
    expect(session.rows('links')).toEqual([])
  })

  it('is one dongle, however often it is added', async () => {
    const { session, mesh, plugIn } = await linkBench()
    const id = await plugIn()
    expect((await session.call('link.add', { path: mesh.port.path })).id).toBe(id)
    expect(session.rows('links')).toHaveLength(1)
  })

  it('that was pulled is looked for, and comes up by itself', async () => {
    const { mesh, plugIn, session, row, state } = await linkBench()
    const id = await plugIn()
    mesh.unplug()
    await session.when('links', (each) => each.id === id && each.state !== 'up')
    await expect.poll(() => session.rows('session')[0]?.network.listening.map(({ channel }) => channel)).toEqual(['udp'])
    mesh.replug()
    await session.call('link.retry', { id })
    await state(id, 'up')
    expect(row(id).counters).toMatchObject({ losses: 1 })
  })
})

describe('the network of a dongle', () => {
  it('is formed from a description, with a key that is told to nobody and written nowhere', async () => {
    const { session, plugIn, row, home } = await linkBench()
    const id = await plugIn()
    const networkKey = '00112233445566778899aabbccddeeff'
    // Who has just left forms at once; who was a leader looks for its old place for half a minute first.
    await session.call('link.leave', { id })
    await session.call('link.form', { id, network: { networkName: 'Hafen', channel: 20, panId: 0xface, networkKey } })
    expect(row(id).network).toMatchObject({ networkName: 'Hafen', channel: 20, panId: 0xface, role: 'leader' })
    expect(JSON.stringify([session.rows('links'), await session.call('audit.page', { limit: 50 })])).not.toContain(networkKey)
    await session.call('site.close', {})
    for (const name of readdirSync(home, { recursive: true, withFileTypes: true })) {
      if (!name.isFile()) continue
      const bytes = readFileSync(join(name.parentPath, name.name))
      expect(bytes.includes(networkKey)).toBe(false)
      expect(bytes.includes(Buffer.from(networkKey, 'hex'))).toBe(false)
    }
  })

  it('is left, found by a scan, and joined again by its dataset', async () => {
    const { session, plugIn, row } = await linkBench({ radio: 'real' })
    const id = await plugIn()
    await session.call('link.leave', { id })
    await session.when('links', (each) => each.id === id && each.state === 'attaching')
    expect(row(id).network).toMatchObject({ saved: false, networkName: null })
    const { networks } = await session.call('link.scan', { id })
    expect(networks).toMatchObject([{ networkName: 'groupwright demo', channel: 15 }])
    await session.call('link.attach', { id, dataset: toHex(siteDataset(7)) })
    expect(row(id)).toMatchObject({ state: 'up', network: { networkName: 'groupwright demo' } })
  })

  it('cannot be described wrongly', async () => {
    const { session, plugIn } = await linkBench()
    const id = await plugIn()
    expect(await failureOf(session.call('link.attach', { id, dataset: 'zz' }))).toMatchObject({ code: 'link.network-invalid' })
    expect(await failureOf(session.call('link.attach', { id, network: { networkName: 'x', channel: 15 } }))).toMatchObject({
      code: 'link.network-invalid',
      details: { field: 'panId' },
    })
    expect((await failureOf(session.call('link.form', { id, network: { channel: 99 } }))).code).toBe('input.invalid')
  })

  it('is done one thing at a time, and stopped when asked to', async () => {
    const { session, plugIn, row } = await linkBench()
    const id = await plugIn()
    const scanning = failureOf(session.call('link.scan', { id, kind: 'noise' }))
    await session.when('links', (each) => each.task?.kind === 'scan')
    expect((await failureOf(session.call('link.leave', { id }))).code).toBe('link.refused')
    await session.call('link.cancel', { id })
    expect((await scanning).code).toBe('cancelled')
    expect(row(id).task).toBeNull()
  })
})

describe('a SLIP border router', () => {
  it('carries no multicast: known devices are asked one by one, and it is said', async () => {
    const { session, plugIn, row } = await linkBench({ dongle: 'slip' })
    const id = await plugIn()
    expect(row(id)).toMatchObject({ firmware: 'slip-router', carries: { multicast: false } })
    await session.when('directory', (each) => each.endpoints === 12)
    await session.call('preflight.run', {})
    expect(session.rows('checks').find((each) => each.check === 'multicast')).toMatchObject({ verdict: 'warning', finding: 'unicast-only' })
    await session.call('discovery.start', { seconds: 5 })
    const done = await session.when('discovery', (each) => each.state === 'idle' && each.startedAt !== null)
    expect(done).toMatchObject({ unicastOnly: true, heard: 12, failure: null })
    expect((await failureOf(session.call('link.leave', { id }))).code).toBe('link.refused')
  })
})
