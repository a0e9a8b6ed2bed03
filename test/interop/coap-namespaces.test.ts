// Multicast between hosts of their own: libcoap's client and servers in network namespaces, our endpoint beside them on the same link.
import { afterEach, expect, it } from 'vitest'
import { delay, systemClock, type SocketAddress } from '#main/base/index.ts'
import { blockOption, OptionNumber } from '#main/wire/coap/index.ts'
import { describeInLab, type Lab } from '../support/netns.ts'
import { COAP_CLIENT, COAP_SERVER, run, type Output, type RunningPeer } from '../support/peers.ts'
import { all } from '../wire/coap/harness.ts'
import { ours, text, uri, type Ours } from './our-server.ts'

const RESPONDERS = 30
const PORT = 5683
const CORE = { method: 'GET', path: ['.well-known', 'core'] } as const
const GROUPS = [
  ['IPv6 link-local', 'ff02::fd', (lab: Lab) => `${lab.linkLocal}%${lab.zone}`],
  ['IPv6 site-local', 'ff05::fd', (lab: Lab) => lab.ipv6],
  ['IPv4', '224.0.1.187', (lab: Lab) => lab.ipv4],
] as const

const opened: Ours[] = []
const running: RunningPeer[] = []

async function open(...args: Parameters<typeof ours>): Promise<Ours> {
  const place = await ours(...args)
  opened.push(place)
  return place
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((peer) => peer.stop()))
  await Promise.all(opened.splice(0).map((place) => place.close()))
})

describeInLab('libcoap client in a namespace against our group server', 1, COAP_CLIENT, (lab, program) => {
  const ask = (path: string, group: SocketAddress, ...args: string[]): Promise<Output> => {
    const [ip = '', ...prefix] = lab().hosts[0]!.prefix
    return run(ip, [...prefix, program, '-v', '4', '-N', '-B', '6', ...args, uri(group, path)])
  }

  it.each(GROUPS)(
    '%s: it discovers us, once and within Leisure, and our answer comes from our own address',
    async (_, group, bindAddress) => {
      const isIpv4 = group.includes('.')
      const { at, channel, endpoint } = await open(isIpv4 ? '0.0.0.0' : '::', {
        multicastInterface: isIpv4 ? bindAddress(lab()) : lab().zone,
      })
      channel.joinGroup(group)
      await delay(systemClock, 100)
      const zone = group.startsWith('ff02') ? { zone: lab().hosts[0]!.zone } : {}
      const to: SocketAddress = { address: group, port: at.port, ...zone }
      const output = await ask('/.well-known/core?rt=big', to)
      expect(text(output.stdout).match(/<\/big>/g)).toHaveLength(1)
      expect(endpoint.counters().requestsServed).toBe(1)
    },
  )

  it('hears nothing of resources that do not answer groups, nor of those that are not there (groupcomm-bis §3.1.2)', async () => {
    const { at, channel, endpoint, store } = await open('::', { multicastInterface: lab().zone })
    channel.joinGroup('ff02::fd')
    store.set('store/a', new Uint8Array([65]))
    await delay(systemClock, 100)
    const group: SocketAddress = { address: 'ff02::fd', port: at.port, zone: lab().hosts[0]!.zone }
    const [kept, missing, wanted] = await Promise.all([ask('/store/a', group), ask('/nope', group), ask('/group', group)])
    expect([text(kept.stdout), text(missing.stdout), text(wanted.stdout)].map((line) => line.trim())).toEqual(['', '', 'one of many'])
    expect(endpoint.counters().suppressed).toBe(2)
  })
})

describeInLab('our group client and thirty libcoap servers in namespaces', RESPONDERS, COAP_SERVER, (lab, program) => {
  /** One in each namespace; the addresses of that kind. */
  function startServers(group: string, kind: 'linkLocal' | 'ipv6' | 'ipv4'): SocketAddress[] {
    const zone = kind === 'linkLocal' ? { zone: lab().zone } : {}
    for (const host of lab().hosts) running.push(host.start(program, ['-p', String(PORT), '-g', group, '-G', host.zone, '-v', '0']))
    return lab().hosts.map((host) => ({ address: host[kind], port: PORT, ...zone }))
  }

  it.each(GROUPS)('%s: every server is heard, each from its own address', async (_, group, bindAddress) => {
    const { endpoint, channel } = await open(bindAddress(lab()))
    const kind = group.startsWith('ff02') ? 'linkLocal' : group.includes('.') ? 'ipv4' : 'ipv6'
    const members = startServers(group, kind)
    const zone = kind === 'linkLocal' ? { zone: lab().zone } : {}
    await Promise.all(members.map((to) => endpoint.request(to, { method: 'GET', path: [] }, { timeoutMs: 20_000 })))
    const responses = await all(
      endpoint.groupRequest({ address: group, port: PORT, ...zone }, CORE, { deadlineMs: 9000, expected: RESPONDERS }),
    )
    expect(responses.map((response) => response.source.address).sort()).toEqual(members.map((at) => at.address).sort())
    expect(responses.every((response) => text(response.payload).includes('</time>'))).toBe(true)
    expect(channel.counters().dropped).toBe(0)
  })

  it('Block2: what follows the first block is fetched from each server by unicast (groupcomm-bis §3.8)', async () => {
    const { endpoint } = await open(lab().ipv6)
    const members = startServers('ff05::fd', 'ipv6')
    await Promise.all(members.map((to) => endpoint.request(to, { method: 'GET', path: [] }, { timeoutMs: 20_000 })))
    const whole = await endpoint.request(members[0]!, CORE)
    const small = { ...CORE, options: [blockOption(OptionNumber.BLOCK2, { num: 0, more: false, szx: 2 })] }
    const responses = await all(
      endpoint.groupRequest({ address: 'ff05::fd', port: PORT }, small, { deadlineMs: 15_000, expected: RESPONDERS }),
    )
    expect(responses.map((response) => response.source.address).sort()).toEqual(members.map((at) => at.address).sort())
    expect(whole.payload.length).toBeGreaterThan(64)
    for (const response of responses) expect(text(response.payload)).toBe(text(whole.payload))
  })

  it('Observe: one registration to the group, notifications of every server, silence after the cancellation (groupcomm-bis §3.7)', async () => {
    const { endpoint, channel } = await open(lab().ipv6)
    const members = startServers('ff05::fd', 'ipv6')
    await Promise.all(members.map((to) => endpoint.request(to, { method: 'GET', path: [] }, { timeoutMs: 20_000 })))
    const times = new Map<string, Set<string>>()
    const group: SocketAddress = { address: 'ff05::fd', port: PORT }
    const sent = channel.counters().sent
    const observation = endpoint.observeGroup(group, { method: 'GET', path: ['time'] })
    for await (const { source, payload } of observation) {
      times.set(source.address, (times.get(source.address) ?? new Set<string>()).add(text(payload)))
      if (times.size === RESPONDERS && [...times.values()].every((seen) => seen.size >= 3)) break
    }
    expect([...times.keys()].sort()).toEqual(members.map((at) => at.address).sort())
    expect(sent).toBeLessThan(channel.counters().sent)
    observation.cancel()
    // The deregistration is a group request, answered within Leisure.
    await delay(systemClock, 8000)
    const before = endpoint.counters().messagesReceived
    await delay(systemClock, 3000)
    expect(endpoint.counters().messagesReceived).toBe(before)
  })
})
