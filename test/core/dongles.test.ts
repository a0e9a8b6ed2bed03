// The site's dongles on a virtual clock: short absences are bridged, long ones fail typed; two at once; a port without permission.
import { describe, expect, it, onTestFinished } from 'vitest'
import { AppError, seededRandom, silentLogger } from '#main/base/index.ts'
import type { JsonValue } from '#main/base/index.ts'
import { ResourceTree } from '#main/wire/coap/index.ts'
import { PortWatch } from '#main/wire/links/index.ts'
import type { SerialBinding } from '#main/wire/links/index.ts'
import type { DongleSite, DongleSiteOptions } from '#main/simulator/index.ts'
import type { LinkRow } from '#contract/model.ts'
import { createDongles } from '../../src-main/core/dongles.ts'
import type { Dongles } from '../../src-main/core/dongles.ts'
import { holdJobs } from '../../src-main/core/job-hold.ts'
import { createNetwork } from '../../src-main/core/network.ts'
import type { SiteNetwork } from '../../src-main/core/network.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { meshOf } from './link-bench.ts'

interface Bench {
  readonly clock: VirtualClock
  readonly dongles: Dongles
  readonly network: SiteNetwork
  readonly kept: Map<string, JsonValue>
  readonly up: (id: string) => Promise<LinkRow>
}

function bench(binding: SerialBinding, clock: VirtualClock, kept = new Map<string, JsonValue>()): Bench {
  const ports = { clock, random: seededRandom(3), logger: silentLogger }
  const network = createNetwork(new ResourceTree(), { ...ports, proxyRules: [] })
  const dongles = createDongles({
    file: { getMeta: (key) => kept.get(key), setMeta: (key, value) => void kept.set(key, value) },
    network,
    watch: new PortWatch({ clock, binding }),
    binding,
    remedyFor: () => Promise.resolve({ group: 'dialout', installRule: ['sudo install rule'], joinGroup: 'sudo usermod' }),
    ...ports,
  })
  onTestFinished(async () => {
    await clock.until(dongles.close())
    await network.close()
  })
  return {
    clock,
    dongles,
    network,
    kept,
    async up(id) {
      await clock.until(dongles.upWithin(id, 60_000))
      const row = dongles.feed.get(id)
      if (row?.state !== 'up') throw new TypeError(`the dongle is ${row?.state ?? 'gone'}`)
      return row
    },
  }
}

function single(options: Partial<DongleSiteOptions> = {}): Bench & { readonly mesh: DongleSite } {
  const clock = new VirtualClock()
  const mesh = meshOf(options, clock)
  return { ...bench(mesh.port.binding, clock), mesh }
}

/** Ports of both in one list. */
function together(...bindings: readonly SerialBinding[]): SerialBinding {
  return {
    list: async () => (await Promise.all(bindings.map((binding) => binding.list()))).flat(),
    async open(options) {
      for (const binding of bindings) if ((await binding.list()).some(({ path }) => path === options.path)) return binding.open(options)
      throw new AppError('link.port-missing', `No such file or directory, cannot open ${options.path}`, { retryable: true })
    },
  }
}

describe('a blockwise transfer', () => {
  it('goes on over an absence shorter than CoAP repeats for, and fails typed over a longer one', async () => {
    const { dongles, mesh, clock, network, up } = single({ radio: 'real' })
    const id = await clock.until(dongles.add({ path: mesh.port.path }))
    await up(id)
    const { address } = mesh.stateOf(mesh.plan[3]!.eui64)
    const client = network.client(id)!
    const name = 'ü'.repeat(31)
    for (let place = 1; place <= 8; place++) {
      const payload = new TextEncoder().encode(JSON.stringify({ a: `ff35:1030:fd00:aaaa:bbbb:cccc:dddd:111${place}`, p: 65_535 }))
      await clock.until(client.request(address, { method: 'PUT', path: ['groups', `${name}${place}`], payload, contentFormat: 50 }))
    }
    const list = { method: 'GET', path: ['groups'] } as const
    const reading = client.request(address, list, { blockBytes: 64 })
    await clock.advance(250)
    mesh.unplug()
    await clock.advance(5_000)
    expect(dongles.feed.get(id)?.state).not.toBe('up')
    mesh.replug()
    dongles.retry(id)
    const whole = await clock.until(reading)
    expect(whole.code).toBe('2.05')
    expect(JSON.parse(new TextDecoder().decode(whole.payload))).toHaveLength(8)

    const hopeless = client.request(address, list, { blockBytes: 64 }).then(
      () => 'answered',
      (thrown: unknown) => (thrown instanceof AppError ? thrown.code : 'other'),
    )
    mesh.unplug()
    await clock.advance(120_000)
    expect(await hopeless).toMatch(/^(network|coap)\./)
  })
})

describe('two dongles', () => {
  it('work side by side, each with a channel of its own, and one may go without the other', async () => {
    const clock = new VirtualClock()
    const one = meshOf({ path: '/dev/ttyACM0', seed: 7 }, clock)
    const two = meshOf({ path: '/dev/ttyACM1', seed: 8, dongle: 'slip' }, clock)
    const { dongles, network, up } = bench(together(one.port.binding, two.port.binding), clock)
    const first = await clock.until(dongles.add({ path: '/dev/ttyACM0' }))
    const second = await clock.until(dongles.add({ path: '/dev/ttyACM1' }))
    expect([(await up(first)).firmware, (await up(second)).firmware]).toEqual(['spinel-ncp', 'slip-router'])
    expect(network.channels().map(({ client, carriesMulticast }) => [client.channelId, carriesMulticast])).toEqual([
      [first, true],
      [second, false],
    ])
    one.unplug()
    await clock.advance(1_000)
    expect(network.channels().map(({ client }) => client.channelId)).toEqual([second])
    const { address } = two.stateOf(two.plan[0]!.eui64)
    const answer = await clock.until(network.client(second)!.request(address, { method: 'GET', path: ['dev'] }))
    expect(answer.code).toBe('2.05')
  })
})

describe('the list of dongles', () => {
  it('is kept with the site and holds no more than where they are', async () => {
    const { dongles, mesh, clock, kept, up } = single()
    const id = await clock.until(dongles.add({ path: mesh.port.path, name: 'Floor 2' }))
    await up(id)
    expect(kept.get('dongles')).toEqual([{ id, name: 'Floor 2', path: mesh.port.path, key: null, on: true }])
    await clock.until(dongles.switchOff(id))
    expect(kept.get('dongles')).toMatchObject([{ on: false }])
    expect(dongles.feed.get(id)).toMatchObject({ state: 'closed', addresses: [], network: null })
  })

  it('starts anew from what is no list', () => {
    const clock = new VirtualClock()
    const mesh = meshOf({}, clock)
    const { dongles } = bench(mesh.port.binding, clock, new Map<string, JsonValue>([['dongles', { not: 'a list' }]]))
    expect(dongles.feed.rows()).toEqual([])
  })
})

describe('a port without permission', () => {
  it('is refused with the commands that help', async () => {
    const clock = new VirtualClock()
    const mesh = meshOf({}, clock)
    const denied: SerialBinding = {
      list: () => mesh.port.binding.list(),
      open: () => Promise.reject(new AppError('link.no-permission', 'Permission denied, cannot open /dev/ttyACM0')),
    }
    const { dongles } = bench(denied, clock)
    const id = await clock.until(dongles.add({ path: mesh.port.path }))
    await clock.advance(2_000)
    expect(dongles.feed.get(id)).toMatchObject({
      state: 'refused',
      failure: { code: 'link.no-permission' },
      remedy: { group: 'dialout', installRule: ['sudo install rule'], joinGroup: 'sudo usermod' },
    })
  })
})

describe('jobs', () => {
  it('hold items behind a dongle that is away, and put those under way back before sending fails', async () => {
    const { dongles, mesh, clock, up } = single()
    const calls: Array<{ readonly held: readonly boolean[]; readonly abort: boolean }> = []
    const inventory = { get: (deviceId: string) => (deviceId === 'lamp' ? { channelId: id } : undefined) }
    const jobs = {
      hold: (isHeld: (subject: string) => boolean, { abort = false } = {}) =>
        void calls.push({ held: ['lamp', 'lamp group-1', 'other'].map(isHeld), abort }),
    }
    const id = await clock.until(dongles.add({ path: mesh.port.path }))
    await up(id)
    const end = holdJobs(jobs as never, inventory as never, dongles, clock)
    expect(calls).toEqual([])
    mesh.unplug()
    await clock.advance(24_000)
    expect(calls).toEqual([{ held: [true, true, false], abort: false }])
    await clock.advance(2_000)
    expect(calls.at(-1)).toEqual({ held: [true, true, false], abort: true })
    mesh.replug()
    dongles.retry(id)
    await up(id)
    expect(calls.at(-1)).toEqual({ held: [false, false, false], abort: false })
    end()
  })
})
