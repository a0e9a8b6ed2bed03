// Forming, joining, leaving, looking around and commissioning through an NCP: the order of recorded hosts, and every way it can fail.
import { describe, expect, it } from 'vitest'
import { AppError, fromHex, silentLogger, toHex, utf8 } from '#main/base/index.ts'
import {
  datasetItems,
  decodeDataset,
  encodeDataset,
  NcpLink,
  PROP,
  STATUS,
  pack,
  packedUint,
  type NetworkProgress,
} from '#main/wire/links/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { ScriptedNcp } from './scripted-ncp.ts'
import { TestLine } from './support.ts'

const TLVS =
  '0e080000000000010000000300000f35060004001fffe00208dead00beef00cafe0708fddead00beefcafe051000112233445566778899aabbccddeeff030b646f6e676c652d746573740102face0410445f2b5ca6f2a93a55ce570a70efeecb0c0402a0f7f8'
const dataset = decodeDataset(fromHex(TLVS)!)
const never = new AbortController().signal

async function started() {
  const line = new TestLine()
  const clock = new VirtualClock()
  const ncp = new ScriptedNcp(line, clock)
  const link = new NcpLink({ line, id: 'dongle:1', clock, logger: silentLogger })
  await clock.until(link.start({ mayReset: true, signal: never }))
  ncp.asked.length = 0
  return { line, clock, ncp, link }
}

async function failureOf(promise: Promise<unknown>): Promise<AppError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof AppError) return error
  }
  throw new Error('did not fail as it should')
}

const commands = (asked: readonly string[]): readonly string[] => asked.filter((one) => !one.startsWith('get'))

describe('Forming', () => {
  it('goes the recorded way, and tells its progress', async () => {
    const { clock, ncp, link } = await started()
    const progress: NetworkProgress[] = []
    const status = await clock.until(link.form(dataset, { onProgress: (step) => progress.push(step) }))
    expect(commands(ncp.asked)).toEqual([
      'set NET_STACK_UP 00',
      'set NET_IF_UP 00',
      'clear',
      `set THREAD_ACTIVE_DATASET_TLVS ${TLVS}`,
      'set NET_REQUIRE_JOIN_EXISTING 00',
      'set NET_IF_UP 01',
      'set NET_STACK_UP 01',
    ])
    expect(status).toMatchObject({ role: 'leader', networkSaved: true })
    expect(link.up).toBe(true)
    expect(progress[0]?.phase).toBe('stopping')
    expect(progress.at(-1)).toEqual({ phase: 'attached', role: 'leader' })
    expect(progress.map(({ phase }) => phase)).toContain('attaching')
  })

  it('gives older firmware the dataset as a list of properties', async () => {
    const { clock, ncp, link } = await started()
    ncp.unknown.add(PROP.THREAD_ACTIVE_DATASET_TLVS.number)
    await clock.until(link.form(dataset))
    expect(ncp.asked.some((asked) => asked.startsWith('set THREAD_ACTIVE_DATASET 0a009c2a0100000000000000'))).toBe(true)
  })

  it('refuses a dataset without timestamp before it touches the dongle', async () => {
    const { clock, ncp, link } = await started()
    const without = decodeDataset(encodeDataset(dataset).subarray(10))
    expect(without.activeTimestamp).toBeUndefined()
    expect(await clock.until(failureOf(link.form(without)))).toMatchObject({
      code: 'link.network-invalid',
      details: { field: 'activeTimestamp' },
    })
    expect(commands(ncp.asked)).toEqual([])
  })

  it('restarts the dongle between two networks where it may', async () => {
    const { clock, ncp, link } = await started()
    await clock.until(link.form(dataset))
    await clock.until(link.form(dataset, { mayReset: true }))
    expect(ncp.resets).toBe(1)
    expect(link.up).toBe(true)
  })

  it('ends with link.attach-failed in time, and with cancelled when it is cancelled', async () => {
    const { clock, ncp, link } = await started()
    ncp.attachMs = 1_000_000
    const before = clock.monotonicMs()
    expect((await clock.until(failureOf(link.form(dataset)))).code).toBe('link.attach-failed')
    expect(clock.monotonicMs() - before).toBeLessThan(62_000)
    const abort = new AbortController()
    clock.setTimer(1_000, () => abort.abort())
    expect((await clock.until(failureOf(link.form(dataset, { signal: abort.signal })))).code).toBe('cancelled')
    expect(ncp.values.get(PROP.NET_STACK_UP.number)).toEqual(Uint8Array.of(0))
  })

  it('sets groups, addresses and prefixes again', async () => {
    const { clock, ncp, link } = await started()
    await clock.until(link.form(dataset))
    link.joinGroup('ff03::fd')
    await clock.until(link.addAddress('fd99::1'))
    await clock.until(link.addOnMeshPrefix('fd11::'))
    ncp.prefixes = []
    await clock.until(link.form(dataset))
    await clock.advance(100)
    expect(ncp.groups).toContain('ff03::fd')
    expect(ncp.addresses).toContain('fd99::1')
    expect(ncp.prefixes).toEqual(['fd11::'])
  })
})

describe('Joining', () => {
  it('by a dataset demands that the network exists', async () => {
    const { clock, ncp, link } = await started()
    ncp.becomes = 'child'
    const status = await clock.until(link.attach(dataset))
    expect(status.role).toBe('child')
    expect(commands(ncp.asked)).toContain('set NET_REQUIRE_JOIN_EXISTING 01')
    expect(commands(ncp.asked)).toContain(`set THREAD_ACTIVE_DATASET_TLVS ${toHex(encodeDataset(dataset))}`)
  })

  it('by a description sets one property after another, as recorded', async () => {
    const { clock, ncp, link } = await started()
    ncp.becomes = 'child'
    const { channel, panId, extendedPanId, networkName, networkKey } = dataset
    await clock.until(
      link.attach({ channel: channel!, panId: panId!, extendedPanId: extendedPanId!, networkName: networkName!, networkKey: networkKey! }),
    )
    expect(commands(ncp.asked).slice(3)).toEqual([
      'set PHY_CHAN 0f',
      'set MAC_15_4_PANID cefa',
      'set NET_XPANID dead00beef00cafe',
      'set NET_NETWORK_NAME 646f6e676c652d7465737400',
      'set NET_NETWORK_KEY 00112233445566778899aabbccddeeff',
      'set NET_REQUIRE_JOIN_EXISTING 01',
      'set NET_IF_UP 01',
      'set NET_STACK_UP 01',
    ])
  })

  it('fails with what the dongle says where nobody is there', async () => {
    const { clock, ncp, link } = await started()
    ncp.becomes = undefined
    const failure = await clock.until(failureOf(link.attach(dataset)))
    expect(failure).toMatchObject({ code: 'link.attach-failed', details: { name: 'JOIN_FAILURE' } })
    expect(failure.message).toContain('check channel')
    expect(JSON.stringify(failure)).not.toContain('001122')
  })

  it('fails where the dongle formed a network of its own', async () => {
    const { clock, ncp, link } = await started()
    ncp.unknown.add(PROP.NET_REQUIRE_JOIN_EXISTING.number)
    expect((await clock.until(failureOf(link.attach(dataset)))).code).toBe('link.attach-failed')
    expect(ncp.values.get(PROP.NET_STACK_UP.number)).toEqual(Uint8Array.of(0))
  })

  it('by passphrase waits for the commissioner’s verdict', async () => {
    const { clock, ncp, link } = await started()
    ncp.becomes = 'child'
    const joined = link.join('J01NME')
    clock.setTimer(5_000, () => ncp.unsolicited('is', 0, pack(packedUint, STATUS.JOIN_SUCCESS)))
    await clock.until(joined)
    expect(link.status.role).toBe('child')
    expect(ncp.asked).toContain(`set MESHCOP_JOINER_COMMISSIONING 01${toHex(utf8('J01NME'))}00`)
    const wrong = failureOf(link.join('WR0NGKEY'))
    clock.setTimer(1_000, () => ncp.unsolicited('is', 0, pack(packedUint, STATUS.JOIN_SECURITY)))
    expect(await clock.until(wrong)).toMatchObject({ code: 'link.attach-failed', details: { name: 'JOIN_SECURITY' } })
    expect((await clock.until(failureOf(link.join('short')))).code).toBe('link.network-invalid')
  })
})

describe('Leaving', () => {
  it('says goodbye, wipes the dongle and restarts it', async () => {
    const { clock, ncp, link } = await started()
    await clock.until(link.form(dataset))
    ncp.asked.length = 0
    await clock.until(link.leave())
    expect(commands(ncp.asked)).toEqual(['set NET_LEAVE_GRACEFULLY', 'set NET_STACK_UP 00', 'set NET_IF_UP 00', 'clear', 'reset'])
    expect(link.status).toMatchObject({ networkSaved: false, role: 'disabled' })
    expect(link.up).toBe(false)
  })

  it('is done where the port vanishes over the restart', async () => {
    const { clock, ncp, link, line } = await started()
    await clock.until(link.form(dataset))
    const write = line.onWrite
    line.onWrite = (bytes) => {
      if (toHex(bytes) === '7e800102927e') line.end()
      else write(bytes)
    }
    await clock.until(link.leave())
    expect(ncp.values.get(PROP.NET_SAVED.number)).toEqual(Uint8Array.of(0))
  })
})

describe('The dataset', () => {
  it('is read back in either form, and is undefined where there is none', async () => {
    const { clock, ncp, link } = await started()
    ncp.values.set(PROP.THREAD_ACTIVE_DATASET_TLVS.number, new Uint8Array(0))
    expect(await clock.until(link.dataset())).toBeUndefined()
    await clock.until(link.form(dataset))
    expect(await clock.until(link.dataset())).toEqual(dataset)
    ncp.unknown.add(PROP.THREAD_ACTIVE_DATASET_TLVS.number)
    ncp.set(PROP.THREAD_ACTIVE_DATASET, datasetItems(dataset))
    expect(await clock.until(link.dataset())).toEqual(dataset)
  })
})

describe('Looking around', () => {
  it('finds networks by beacons, and takes the interface up for it', async () => {
    const { clock, ncp, link } = await started()
    const scanned = link.scan('discover', { channels: [15], dwellMs: 300 })
    const beacon = fromHex('0fec0d0066888566068f552affffcefa001a000358646f6e676c652d74657374000800dead00beef00cafe0000')!
    clock.setTimer(100, () => ncp.unsolicited('inserted', PROP.MAC_SCAN_BEACON.number, beacon))
    clock.setTimer(110, () => ncp.unsolicited('inserted', PROP.MAC_SCAN_BEACON.number, Uint8Array.of(1)))
    clock.setTimer(300, () => ncp.tell(PROP.MAC_SCAN_STATE, 0))
    expect(await clock.until(scanned)).toEqual([
      {
        channel: 15,
        panId: 0xface,
        rssiDbm: -20,
        lqi: 0,
        eui64: '66888566068f552a',
        networkName: 'dongle-test',
        extendedPanId: 'dead00beef00cafe',
        joinable: false,
      },
    ])
    expect(commands(ncp.asked)).toEqual([
      'set NET_IF_UP 01',
      'set MAC_SCAN_MASK 0f',
      'set MAC_SCAN_PERIOD 2c01',
      'set MAC_SCAN_STATE 03',
      'set NET_IF_UP 00',
    ])
  })

  it('measures noise on all channels the dongle has, and ends though the end was not told', async () => {
    const { clock, ncp, link } = await started()
    const scanned = link.scanEnergy()
    clock.setTimer(50, () => ncp.unsolicited('inserted', PROP.MAC_ENERGY_SCAN_RESULT.number, fromHex('0fe2')!))
    expect(await clock.until(scanned)).toEqual([{ channel: 15, maxRssiDbm: -30 }])
    expect(ncp.asked).toContain('set MAC_SCAN_MASK 0b0c0d')
  })

  it('refuses channels that do not exist, and keeps no more results than its limit', async () => {
    const { clock, ncp, link } = await started()
    expect((await clock.until(failureOf(link.scanEnergy({ channels: [27] })))).code).toBe('link.network-invalid')
    const scanned = link.scanEnergy({ channels: [11] })
    clock.setTimer(20, () => {
      for (let count = 0; count < 1_000; count++) ncp.unsolicited('inserted', PROP.MAC_ENERGY_SCAN_RESULT.number, fromHex('0fe2')!)
    })
    expect(await clock.until(scanned)).toHaveLength(256)
  })
})

describe('Commissioning', () => {
  it('starts, invites with the recorded bytes, lists and stops', async () => {
    const { clock, ncp, link } = await started()
    ncp.set(PROP.MESHCOP_COMMISSIONER_STATE, 0)
    await clock.until(link.startCommissioner())
    await clock.until(link.inviteJoiner({ passphrase: 'J01NME', timeoutS: 120 }))
    expect(ncp.asked).toContain('insert MESHCOP_COMMISSIONER_JOINERS 0000780000004a30314e4d4500')
    ncp.values.set(PROP.MESHCOP_COMMISSIONER_JOINERS.number, fromHex('0d0000006fb801004a30314e4d4500')!)
    expect(await clock.until(link.invitedJoiners())).toEqual([{ eui64: undefined, leftMs: 112_751 }])
    await clock.until(link.stopCommissioner())
    expect(ncp.asked.at(-1)).toBe('set MESHCOP_COMMISSIONER_STATE 00')
    expect((await failureOf(link.inviteJoiner({ passphrase: 'IOQZ', timeoutS: 1 }))).code).toBe('link.network-invalid')
    expect((await failureOf(link.inviteJoiner({ eui64: '12', passphrase: 'J01NME', timeoutS: 1 }))).code).toBe('link.network-invalid')
  })

  it('fails where the network has a commissioner already', async () => {
    const { clock, ncp, link } = await started()
    ncp.set(PROP.MESHCOP_COMMISSIONER_STATE, 0)
    const petition = failureOf(link.startCommissioner())
    clock.setTimer(100, () => ncp.set(PROP.MESHCOP_COMMISSIONER_STATE, 0))
    expect((await clock.until(petition)).code).toBe('link.refused')
  })
})
