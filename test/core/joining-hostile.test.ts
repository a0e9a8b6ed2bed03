// What a whole program does with proxies that lie, with floods of first words, and with devices of other owners: nothing gets in, and who is honest does
// (draft-ietf-anima-constrained-join-proxy-20 §7, RFC 6347 §4.2.1, RFC 8995 §5.5.4).
import { describe, expect, it, onTestFinished } from 'vitest'
import { concatBytes, silentLogger, systemRandom, type DatagramChannel } from '#main/base/index.ts'
import { createJoinProxy, decodeJpy, encodeJpy, isJpyFault, Pledge, type JpyMessage, type JpyVersion } from '#main/services/join/index.ts'
import { MemoryNetwork, openUdpChannel } from '#main/wire/ip/index.ts'
import type { TestProgram } from '../support/program.ts'
import { Attacker } from '../wire/dtls/attacker.ts'
import { maker, masaOf, openLink, placeOf, ports, start } from './joining-harness.ts'

const PORT = { address: 'fe80::1', port: 5690 }

/** A proxy that does with each message to the registrar what the test says. */
async function rogue(
  started: TestProgram,
  version: JpyVersion,
  change: (message: JpyMessage) => JpyMessage,
): Promise<(serial: string) => Pledge> {
  const link = new MemoryNetwork({ clock: ports.clock, random: ports.random })
  const uplink = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const lying: DatagramChannel = {
    id: uplink.id,
    local: uplink.local,
    maxPayloadBytes: uplink.maxPayloadBytes,
    send: (payload, to) => {
      const message = decodeJpy(payload)
      if (!isJpyFault(message)) uplink.send(encodeJpy(change(message)), to)
    },
    subscribe: (listener) => uplink.subscribe(listener),
    joinGroup: () => undefined,
    leaveGroup: () => undefined,
    counters: () => uplink.counters(),
    close: () => uplink.close(),
  }
  const proxy = createJoinProxy({
    mode: 'stateless',
    version,
    pledges: link.channel(PORT),
    uplink: lying,
    registrar: () => placeOf(started, 'jpy'),
    ...ports,
  })
  onTestFinished(async () => {
    await proxy.close()
    await uplink.close()
  })
  let nodes = 1
  return (serial) => {
    const birth = maker.device(`serialNumber=${serial}, O=Lumen Works`)
    return new Pledge({
      channel: link.channel({ address: `fe80::${(++nodes).toString(16)}`, port: 5684 }),
      to: PORT,
      birth: { key: birth.key, chain: [birth.certificate.bytes, ...birth.chain] },
      makerAnchors: [maker.root.certificate.bytes],
      patienceMs: 6000,
      attempts: 1,
      dtls: { handshakeMs: 5000 },
      ...ports,
    })
  }
}

async function admitted(serials: readonly string[], more: Parameters<typeof start>[1] = {}): Promise<TestProgram> {
  const started = await start(serials, more)
  await started.session.call('admission.scan', { text: serials.map((serial) => `SN: ${serial}`).join('\n') })
  await started.session.call('admission.open', {})
  return started
}

function changedBytes(bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice()
  const at = systemRandom.bytes(1)[0] ?? 0
  changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ 0x55
  return changed
}

describe.each(['20', '01'] as const)('a proxy of version %s that lies', (version) => {
  it('by changing the header of each message gets nobody in, and keeps out nobody who comes by another', async () => {
    const started = await admitted(['LW-0301', 'LW-0302'])
    const lied = await rogue(started, version, ({ header, ...rest }) => ({ ...rest, header: changedBytes(header) }))
    await expect(lied('LW-0301').join()).rejects.toThrow()
    expect(started.session.rows('pledges').filter(({ state }) => state === 'enrolled')).toEqual([])
    const honest = await openLink(started)
    await honest(maker.device('serialNumber=LW-0302, O=Lumen Works')).join()
    const row = await started.session.when('pledges', ({ state }) => state === 'enrolled')
    expect(row.serialNumber).toBe('LW-0302')
    const rows = await started.session.call('ra.certificates', { offset: 0, limit: 50 })
    expect(rows.filter(({ subject }) => !subject.includes('registrar')).length).toBe(1)
  }, 90_000)

  it('by giving one pledge the header of another mixes up nobody: each has its own certificate, or none', async () => {
    const started = await admitted(['LW-0311', 'LW-0312'])
    const seen: Uint8Array[] = []
    let count = 0
    const lied = await rogue(started, version, (message) => {
      if (!seen.some((each) => each.join() === message.header.join())) seen.push(message.header)
      return ++count % 3 === 0 ? { ...message, header: seen[count % seen.length] ?? message.header } : message
    })
    const outcomes = await Promise.allSettled(['LW-0311', 'LW-0312'].map((serial) => lied(serial).join()))
    const joined = outcomes.flatMap(({ status }, index) => (status === 'fulfilled' ? `LW-031${index + 1}` : []))
    await expect
      .poll(() => started.session.rows('pledges').flatMap(({ serialNumber, state }) => (state === 'enrolled' ? serialNumber : [])), {
        timeout: 20_000,
      })
      .toEqual(expect.arrayContaining(joined))
    const issued = await started.session.call('ra.certificates', { offset: 0, limit: 50 })
    const devices = issued.filter(({ subject, state }) => state === 'valid' && !subject.includes('registrar'))
    expect(new Set(devices.map(({ subject }) => subject)).size).toBe(devices.length)
    expect(devices.length).toBeLessThanOrEqual(2)
  }, 90_000)
})

it('a flood of first flights from pretended pledges gets back less than three times itself, and hinders nobody', async () => {
  const started = await admitted(['LW-0321'])
  const flooding = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  onTestFinished(() => flooding.close())
  let [sent, back] = [0, 0]
  flooding.subscribe((event) => {
    if (event.kind === 'datagram') back += event.datagram.payload.length
  })
  const hello = firstFlight()
  const to = placeOf(started, 'jpy')
  for (let n = 0; n < 3000; n++) {
    const message = encodeJpy({ version: '20', header: concatBytes(systemRandom.bytes(16)), content: hello })
    sent += message.length
    flooding.send(message, to)
    if (n % 100 === 99) await new Promise((resolve) => setImmediate(resolve))
  }
  const honest = await openLink(started)
  await honest(maker.device('serialNumber=LW-0321, O=Lumen Works')).join()
  expect(back).toBeLessThanOrEqual(3 * sent)
  await expect.poll(() => started.session.rows('pledges').map(({ serialNumber }) => serialNumber), { timeout: 20_000 }).toEqual(['LW-0321'])
}, 90_000)

it('a device that its maker sold to somebody else gets no voucher and no certificate, and everybody sees why', async () => {
  const started = await admitted(['LW-0331'], { masa: masaOf(['LW-0331'], 'ee'.repeat(32), 'sales') })
  const pledge = await openLink(started)
  await expect(pledge(maker.device('serialNumber=LW-0331, O=Lumen Works'), { patienceMs: 8000, attempts: 1 }).join()).rejects.toThrow()
  const row = await started.session.when('pledges', ({ step, outcome }) => step === 'voucher' && outcome === 'failed')
  expect(row).toMatchObject({ code: 'voucher.masa-refused', state: 'failed' })
  const rows = await started.session.call('ra.certificates', { offset: 0, limit: 50 })
  expect(rows.filter(({ subject }) => !subject.includes('registrar'))).toEqual([])
  expect(started.session.rows('joining')[0]?.makers).toMatchObject([{ lastAsked: { ok: false, code: 'voucher.masa-refused' } }])
}, 90_000)

function firstFlight(): Uint8Array {
  const attacker = new (class extends Attacker {
    sent: Uint8Array | undefined
    override datagram(bytes: Uint8Array): void {
      this.sent = bytes
    }
  })()
  attacker.greet()
  if (attacker.sent === undefined) throw new TypeError('no hello')
  return attacker.sent
}
