// The listener's side of MLD (RFC 3810 §6), and of MLDv1 before an old querier (§8.2.1).
import { describe, expect, it } from 'vitest'
import { formatIpv6 } from '#main/wire/ip/index.ts'
import { bytesOf, icmpBody, MY_LINK_LOCAL, packetOf, plainChecksum, standUp, type Stand } from './harness.ts'

const ROUTER = 'fe80::99'
const ROUTER_ALERT = [58, 0, 5, 2, 0, 0, 1, 0]

interface Report {
  readonly type: number
  readonly to: string
  /** Record type, group, sources; of MLDv1 the group alone. */
  readonly records: ReadonlyArray<readonly [number, string, ...string[]]>
}

/** Reads a report by itself: hop limit, Router Alert, checksum and source are checked for every one. */
function readReport(packet: Uint8Array): Report {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length)
  const text = (at: number): string => formatIpv6(packet.subarray(at, at + 16))
  expect([packet[6], packet[7], text(8), [...packet.subarray(40, 48)]]).toEqual([0, 1, MY_LINK_LOCAL, ROUTER_ALERT])
  const body = packet.subarray(48)
  expect(plainChecksum(Uint8Array.of(...packet.subarray(8, 40), 0, 0, body.length >> 8, body.length & 255, 0, 0, 0, 58, ...body))).toBe(0)
  const type = view.getUint8(48)
  const to = text(24)
  if (type !== 143) return { type, to, records: [[0, text(56)]] }
  let at = 56
  const records = Array.from({ length: view.getUint16(54) }, (): [number, string, ...string[]] => {
    const [kind, sources, group] = [view.getUint8(at), view.getUint16(at + 2), text(at + 4)]
    at += 20
    const list = Array.from({ length: sources }, (_, index) => text(at + index * 16))
    at += sources * 16
    return [kind, group, ...list]
  })
  expect(at).toBe(packet.length)
  return { type, to, records }
}

interface QueryParts {
  readonly group?: string
  readonly code?: number
  readonly sources?: readonly string[]
  readonly version?: 1 | 2
  readonly from?: string
  readonly hopLimit?: number
  readonly alert?: boolean
  readonly cut?: number
}

function query({
  group = '::',
  code = 1000,
  sources = [],
  version = 2,
  from = ROUTER,
  hopLimit = 1,
  alert = true,
  cut = 0,
}: QueryParts): Uint8Array {
  const tail = version === 1 ? [] : [2, 125, 0, sources.length, ...sources.flatMap((source) => [...bytesOf(source)])]
  const rest = Uint8Array.of(code >> 8, code & 255, 0, 0, ...bytesOf(group), ...tail)
  const icmp = icmpBody(from, 'ff02::1', 130, 0, rest.subarray(0, rest.length - cut))
  const body = alert ? Uint8Array.of(...ROUTER_ALERT, ...icmp) : icmp
  return packetOf({ from, to: 'ff02::1', hopLimit, next: alert ? 0 : 58, body })
}

function listening(...groups: readonly string[]): Stand & { reports: () => Report[] } {
  const stand = standUp({}, { mld: 'on' })
  const channel = stand.host.openUdp({ port: 5683 })
  for (const group of groups) channel.joinGroup(group)
  return { ...stand, reports: () => stand.link.takeSent().map(readReport) }
}

const settled = async (stand: Stand): Promise<void> => {
  await stand.clock.advance(10_000)
  stand.link.takeSent()
}

describe('MLDv2', () => {
  it('reports a group at once and once more within a second (§6.1)', async () => {
    const stand = listening('ff03::fd')
    const expected = { type: 143, to: 'ff02::16', records: [[4, 'ff03::fd']] }
    expect(stand.reports()).toEqual([expected])
    await stand.clock.advance(1000)
    expect(stand.reports()).toEqual([expected])
    await stand.clock.advance(100_000)
    expect(stand.reports()).toEqual([])
  })

  it('reports a group that is left, in place of what was still to be repeated', async () => {
    const stand = listening('ff03::fd')
    stand.link.takeSent()
    await stand.host.close()
    expect(stand.reports()).toEqual([{ type: 143, to: 'ff02::16', records: [[3, 'ff03::fd']] }])
    expect(stand.clock.pendingTimers).toBe(0)
  })

  it('never reports all-nodes or a group inside the host (§6)', () => {
    expect(listening('ff02::1', 'ff01::fd').reports()).toEqual([])
  })

  it('is silent where the link does without', () => {
    const stand = standUp()
    stand.host.openUdp({ port: 1 }).joinGroup('ff03::fd')
    stand.link.receive(query({}))
    expect(stand.link.takeSent()).toEqual([])
  })

  it('answers a general query after a random while, with every group (§6.2, §6.3)', async () => {
    const stand = listening('ff03::fd', 'ff05::fd')
    await settled(stand)
    stand.link.receive(query({ code: 5000 }))
    expect(stand.reports()).toEqual([])
    await stand.clock.advance(5000)
    const records = [
      [2, 'ff03::fd'],
      [2, 'ff05::fd'],
    ]
    expect(stand.reports()).toEqual([{ type: 143, to: 'ff02::16', records }])
  })

  it('spreads many groups over reports that fit the MTU (§5.2.15)', async () => {
    const stand = listening(...Array.from({ length: 150 }, (_, index) => `ff03::1:${index + 1}`))
    await settled(stand)
    stand.link.receive(query({}))
    await stand.clock.advance(1000)
    const packets = stand.link.takeSent()
    expect(Math.max(...packets.map(({ length }) => length))).toBeLessThanOrEqual(1280)
    expect(packets.flatMap((packet) => readReport(packet).records)).toHaveLength(150)
  })

  it('answers for one group, or for the sources that were asked for', async () => {
    const stand = listening('ff03::fd', 'ff05::fd')
    await settled(stand)
    stand.link.receive(query({ group: 'ff03::fd' }))
    stand.link.receive(query({ group: 'ff05::fd', sources: ['fd00::7', 'fd00::8'] }))
    stand.link.receive(query({ group: 'ff05::99' }))
    await stand.clock.advance(1000)
    expect(
      stand
        .reports()
        .flatMap(({ records }) => records)
        .toSorted(),
    ).toEqual([
      [1, 'ff05::fd', 'fd00::7', 'fd00::8'],
      [2, 'ff03::fd'],
    ])
  })

  it('merges queries for a group: sources add up, the group outweighs them (§6.2, rules 4 and 5)', async () => {
    const stand = listening('ff03::fd')
    await settled(stand)
    stand.link.receive(query({ group: 'ff03::fd', sources: ['fd00::7'] }))
    stand.link.receive(query({ group: 'ff03::fd', sources: ['fd00::8'] }))
    await stand.clock.advance(1000)
    expect(stand.reports().flatMap(({ records }) => records)).toEqual([[1, 'ff03::fd', 'fd00::7', 'fd00::8']])
    stand.link.receive(query({ group: 'ff03::fd', sources: ['fd00::7'] }))
    stand.link.receive(query({ group: 'ff03::fd' }))
    await stand.clock.advance(1000)
    expect(stand.reports().flatMap(({ records }) => records)).toEqual([[2, 'ff03::fd']])
  })

  it('a flood of queries gets one answer, and leaves nothing behind', async () => {
    const stand = listening('ff03::fd')
    await settled(stand)
    for (let count = 0; count < 1000; count++) {
      stand.link.receive(query({}))
      stand.link.receive(query({ group: 'ff03::fd', sources: ['fd00::7'] }))
    }
    expect(stand.clock.pendingTimers).toBeLessThanOrEqual(2)
    await stand.clock.advance(1000)
    expect(stand.reports().length).toBeLessThanOrEqual(2)
    expect(stand.clock.pendingTimers).toBe(0)
  })

  it('reads large response times as mantissa and exponent (§5.1.3)', async () => {
    const stand = listening('ff03::fd')
    await settled(stand)
    stand.link.receive(query({ code: 0x8000 | 0x7fff }))
    await stand.clock.advance(((0x1fff << 10) | 0) + 1)
    expect(stand.reports()).toHaveLength(1)
  })

  it.each<readonly [string, QueryParts]>([
    ['whose source is not link-local', { from: 'fd00::99' }],
    ['with hop limit 64', { hopLimit: 64 }],
    ['without Router Alert', { alert: false }],
    ['of 26 bytes (§8.1)', { cut: 2 }],
  ])('ignores a query %s (§6.2)', async (_name, parts) => {
    const stand = listening('ff03::fd')
    await settled(stand)
    stand.link.receive(query(parts))
    await stand.clock.advance(10_000)
    expect(stand.reports()).toEqual([])
  })

  it('reports all groups anew when the link comes back, and none while it is down', async () => {
    const stand = listening('ff03::fd')
    stand.link.takeSent()
    stand.link.setUp(false)
    await stand.clock.advance(10_000)
    expect(stand.reports()).toEqual([])
    stand.link.setUp(true)
    expect(stand.reports()).toEqual([{ type: 143, to: 'ff02::16', records: [[4, 'ff03::fd']] }])
  })
})

describe('MLDv1, after an old query (§8.2.1)', () => {
  it('reports to the group itself, says Done, and returns to MLDv2 after 260 s', async () => {
    const stand = listening('ff03::fd')
    await settled(stand)
    stand.link.receive(query({ version: 1, code: 2000 }))
    await stand.clock.advance(2000)
    expect(stand.reports()).toEqual([{ type: 131, to: 'ff03::fd', records: [[0, 'ff03::fd']] }])
    const channel = stand.host.openUdp({ port: 1 })
    channel.joinGroup('ff05::fd')
    channel.leaveGroup('ff05::fd')
    expect(stand.reports()).toEqual([
      { type: 131, to: 'ff05::fd', records: [[0, 'ff05::fd']] },
      { type: 132, to: 'ff02::2', records: [[0, 'ff05::fd']] },
    ])
    await stand.clock.advance(260_000)
    stand.link.takeSent()
    stand.link.receive(query({}))
    await stand.clock.advance(1000)
    expect(stand.reports()).toMatchObject([{ type: 143 }])
  })
})
