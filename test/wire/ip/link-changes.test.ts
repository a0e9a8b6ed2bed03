// A link that goes, comes back, and changes its addresses: sends fail, or are lost for a while, and resume by themselves.
import { describe, expect, it } from 'vitest'
import { AppError } from '#main/base/index.ts'
import { meshLocal } from '../../support/packet-link.ts'
import { bytesOf, failures, ME, PEER, recorded, standUp, udpPacket } from './harness.ts'

const payload = Uint8Array.of(1, 2, 3)

describe('a link that comes and goes', () => {
  it('fails sends while down and resumes by itself', async () => {
    const { link, host } = standUp()
    const channel = host.openUdp({ port: 5683 })
    const events = recorded(channel)
    link.setUp(false)
    channel.send(payload, { address: PEER, port: 1 })
    expect(await failures(events)).toEqual([['network.down', undefined]])
    expect(events).toMatchObject([{ error: { retryable: true } }])
    link.setUp(true)
    channel.send(payload, { address: PEER, port: 1 })
    link.receive(udpPacket())
    expect([link.takeSent().length, events.length]).toEqual([1, 2])
  })

  it('loses datagrams for a while where told so, then fails them; pings fail at once', async () => {
    const { link, host, clock } = standUp({}, { pauseMs: 30_000 })
    const channel = host.openUdp({ port: 5683 })
    const events = recorded(channel)
    link.setUp(false)
    channel.send(payload, { address: PEER, port: 1 })
    await clock.advance(20_000)
    link.setUp(false)
    await clock.advance(9_999)
    channel.send(payload, { address: PEER, port: 1 })
    await Promise.resolve()
    expect([events, host.counters().lostWhileDown, host.counters().sendErrors]).toEqual([[], 2, 0])
    await expect(host.ping(PEER)).rejects.toMatchObject({ code: 'network.down' })
    await clock.advance(1)
    channel.send(payload, { address: PEER, port: 1 })
    expect(await failures(events)).toEqual([['network.down', undefined]])
    link.setUp(true)
    link.setUp(false)
    channel.send(payload, { address: PEER, port: 1 })
    expect(await failures(events)).toHaveLength(1)
    expect(host.counters().lostWhileDown).toBe(3)
  })

  it('what was queued when the link went is lost likewise', () => {
    const { link, host } = standUp({}, { pauseMs: 30_000 })
    const events = recorded(host.openUdp({ port: 5683 }))
    link.refuse(udpPacket({ from: ME, to: PEER }), new AppError('network.down', 'the dongle was pulled out'))
    expect([events, host.counters().lostWhileDown]).toEqual([[], 1])
    link.refuse(udpPacket({ from: ME, to: PEER }), new AppError('network.send-failed', 'the queue is full'))
    expect([events.length, host.counters().linkRefused]).toEqual([1, 1])
  })

  it('sends from its new addresses once they have changed', () => {
    const { link, host } = standUp()
    const channel = host.openUdp({ port: 5683 })
    channel.send(payload, { address: PEER, port: 1 })
    link.setAddresses([meshLocal('fd00::77')])
    channel.send(payload, { address: PEER, port: 1 })
    expect(link.takeSent().map((packet) => packet.slice(8, 24))).toEqual([bytesOf(ME), bytesOf('fd00::77')])
    link.receive(udpPacket({ to: ME }))
    expect(host.counters().dropped).toEqual({ 'not-ours': 1 })
  })
})
