// The simulated NCP against what OpenThread's NCP answered to the same bytes.
import { describe, expect, it } from 'vitest'
import { Schedule, seededRandom, silentLogger } from '#main/base/index.ts'
import { frameOf } from '../../../src-main/simulator/dongle/hdlc.ts'
import { Ncp, type NcpOptions } from '../../../src-main/simulator/dongle/ncp.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { bytesOf, recordedFrames, recording, replayFrames } from './replay.ts'

const DATASET =
  '0e080000000000010000000300000f35060004001fffe00208dead00beef00cafe0708fddead00beefcafe051000112233445566778899aabbccddeeff030b646f6e676c652d74657374' +
  '0102face0410445f2b5ca6f2a93a55ce570a70efeecb0c0402a0f7f8'
const VERSION = 'OPENTHREAD/3ae741f95; SIMULATION; Nov 20 2026 11:48:40'

interface Bench {
  readonly clock: VirtualClock
  readonly ncp: Ncp
  readonly sent: Uint8Array[]
}

function bench(
  identity: { readonly address: string; readonly iid: string; readonly rloc16?: number },
  options: Partial<NcpOptions> = {},
): Bench {
  const clock = new VirtualClock()
  const sent: Uint8Array[] = []
  const ncp = new Ncp({
    identity: {
      eui64: bytesOf('18b4300000000001'),
      extendedAddress: bytesOf(identity.address),
      meshLocalIid: bytesOf(identity.iid),
      rloc16: identity.rloc16 ?? 0x0400,
      partition: 0x51bba99e,
    },
    schedule: new Schedule(clock),
    random: seededRandom(1),
    logger: silentLogger,
    version: VERSION,
    mesh: { send: (packet) => sent.push(packet) > 0, bind: () => undefined, unbind: () => undefined },
    ...options,
  })
  return { clock, ncp, sent }
}

/** Leaves out what a node draws by chance: its first key, partition and data versions. */
function plain(frame: string): string {
  if (frame.slice(4, 6) === '46' && frame !== '80064600112233445566778899aabbccddeeff' && frame.startsWith('84')) return '840646 key'
  if (frame.startsWith('8006488') || frame.slice(2, 6) === '0648') return `${frame.slice(0, 6)} partition`
  if (frame.slice(2, 8) === '068d2a') return `${frame.slice(0, 8)} network data`
  if (frame.slice(2, 8) === '06a82a') return `${frame.slice(0, 8)} dataset of ${frame.length / 2} bytes`
  return frame
}

const isAnswer = (frame: string): boolean => !frame.startsWith('80')
const FIRST = { address: 'ea8c15bed1f6579b', iid: 'abf396d343067472' }

describe('the simulated NCP says what OpenThread’s NCP said', () => {
  it('when it is probed, formed by single properties, formed by a dataset, and reset (four recordings in a row)', async () => {
    const { ncp, clock } = bench(FIRST)
    for (const name of ['spinel-01-open-probe-reset', 'spinel-02-form-network', 'spinel-03-form-with-dataset-tlvs']) {
      const lines = recording('spinel', name)
      const said = await replayFrames(ncp, clock, lines, 0)
      expect(said.map(plain), name).toEqual(recordedFrames(lines).map(plain))
    }
    const lines = recording('spinel', 'spinel-04-close-reopen-restart')
    const said = await replayFrames(ncp, clock, lines)
    expect(said.filter(isAnswer).map(plain)).toEqual(recordedFrames(lines).filter(isAnswer).map(plain))
    expect(said.filter((frame) => frame.startsWith('800643'))).toEqual(['80064300', '80064303'])
  })

  it('when a network is formed with a list of structs, as older firmware takes it', async () => {
    const { ncp, clock } = bench({ address: 'bef373806384588e', iid: '387160821061dfd8', rloc16: 0x0c00 })
    const lines = recording('spinel', 'spinel-34-dataset-struct-form')
    const said = await replayFrames(ncp, clock, lines)
    expect(said.map(plain)).toEqual(recordedFrames(lines).map(plain))
  })

  it('when an on-mesh prefix is put in', async () => {
    const { ncp, clock } = bench(
      { address: '726d61135fdbe305', iid: 'f71237924ab5575b', rloc16: 0x1400 },
      { saved: bytesOf(DATASET), siteDataset: bytesOf(DATASET) },
    )
    await bringUp(ncp, clock)
    const lines = recording('spinel', 'spinel-15-on-mesh-prefix').filter(({ t, hex }) => t <= 4006 && hex?.includes('723c00') !== true)
    // The address in the new prefix and the commissioner's session are drawn by chance.
    const own = (frame: string): string => frame.replaceAll(/664945a66561043b|f71237924ab5575b/g, 'iid').replace(/(8d2a08040b02)..../, '$1')
    const said = await replayFrames(ncp, clock, lines)
    expect(said.map(own)).toEqual(recordedFrames(lines).map(own))
  })

  it('when its tables are full', async () => {
    const { ncp, clock } = bench(
      { address: '726d61135fdbe305', iid: 'f71237924ab5575b', rloc16: 0x1400 },
      { saved: bytesOf(DATASET), siteDataset: bytesOf(DATASET) },
    )
    await bringUp(ncp, clock)
    // The recording began with the on-mesh prefix of an earlier one.
    const before = recording('spinel', 'spinel-15-on-mesh-prefix').filter((line) => /^7e8[3-9]0[34](5[ad]|63)/.test(line.hex ?? ''))
    await replayFrames(
      ncp,
      clock,
      before.map((line, index) => ({ ...line, t: index })),
    )
    const lines = recording('spinel', 'spinel-24-table-limits')
    const said = await replayFrames(ncp, clock, lines)
    const own = (frame: string): string => frame.replaceAll(/664945a66561043b|f71237924ab5575b/g, 'iid')
    expect(said.map(own)).toEqual(recordedFrames(lines).map(own))
  })

  it('when the host sends from and to addresses that it may not use', async () => {
    const { ncp, clock } = bench(
      { address: '726d61135fdbe305', iid: '6e9d9fcc698de4b5' },
      { saved: bytesOf(DATASET), siteDataset: bytesOf(DATASET) },
    )
    await bringUp(ncp, clock)
    const lines = recording('spinel', 'spinel-11-source-address-rejects')
    const said = await replayFrames(ncp, clock, lines)
    expect(said).toEqual(recordedFrames(lines))
  })

  it('when the host makes errors in framing and in protocol', async () => {
    const { ncp, clock } = bench(FIRST, { saved: bytesOf(DATASET), siteDataset: bytesOf(DATASET) })
    await bringUp(ncp, clock)
    const lines = recording('spinel', 'spinel-19-errors')
    const said = await replayFrames(ncp, clock, lines)
    expect(said.filter(isAnswer)).toEqual(recordedFrames(lines).filter(isAnswer))
    expect(said.filter((frame) => frame.startsWith('800670'))).toEqual(recordedFrames(lines).filter((frame) => frame.startsWith('800670')))
  })

  it('when it scans', async () => {
    const { ncp, clock } = bench(FIRST, {
      siteDataset: bytesOf(DATASET),
      neighbours: () => [1, 2].map((node) => ({ node, rssiDbm: -20, role: 'router' })),
      extendedAddressOf: (node) => bytesOf(node === 1 ? '765366782a7bfb40' : '66888566068f552a'),
    })
    const lines = recording('spinel', 'spinel-21-scan')
    const said = await replayFrames(ncp, clock, lines)
    const sorted = (frames: readonly string[]): readonly string[] => [...frames].sort()
    expect(sorted(said)).toEqual(sorted(recordedFrames(lines)))
  })

  it('when its tables of children, neighbours and routers are read', async () => {
    const addresses = ['1aa4e1abe2749877', '8a267f10bfcf5ff9', 'aa6c0f7835093847']
    const { ncp, clock } = bench(
      { address: '8e624c60b39e573f', iid: '6e9d9fcc698de4b5', rloc16: 0xbc00 },
      {
        saved: bytesOf(DATASET),
        siteDataset: bytesOf(DATASET),
        neighbours: () => addresses.map((_, index) => ({ node: index + 1, rssiDbm: -20, role: 'child' })),
        extendedAddressOf: (node) => bytesOf(addresses[node - 1] ?? ''),
      },
    )
    await bringUp(ncp, clock)
    const lines = recording('spinel', 'spinel-05-nodes-attach-notifications').filter(({ t }) => t > 4000)
    expect(await replayFrames(ncp, clock, lines)).toEqual(recordedFrames(lines))
  })

  it('when unsolicited updates are filtered', async () => {
    const { ncp, clock } = bench(FIRST, { saved: bytesOf(DATASET), siteDataset: bytesOf(DATASET) })
    await bringUp(ncp, clock)
    const lines = recording('spinel', 'spinel-35-filter-unsolicited')
    expect(await replayFrames(ncp, clock, lines)).toEqual(recordedFrames(lines))
  })

  it('when it is wiped: memory lives until the reset, then addresses and key are new', async () => {
    const { ncp, clock } = bench(FIRST, { saved: bytesOf(DATASET), siteDataset: bytesOf(DATASET) })
    await bringUp(ncp, clock)
    const lines = recording('spinel', 'spinel-32-wipe-and-join-with-dataset').filter(({ t }) => t < 5000)
    const said = await replayFrames(ncp, clock, lines)
    const key = (frame: string): string => (frame.startsWith('890646') ? 'key' : frame)
    expect(said.filter(isAnswer).map(key)).toEqual(recordedFrames(lines).filter(isAnswer).map(key))
    expect(said.find((frame) => frame.startsWith('890646'))).not.toContain('00112233445566778899aabbccddeeff')
    expect(said.filter((frame) => frame.startsWith('800660'))).not.toContain('800660fe80000000000000e88c15bed1f6579b')
  })
})

async function bringUp(ncp: Ncp, clock: VirtualClock): Promise<void> {
  for (const hex of ['7e81034101 ', '7e82034201'])
    await replayFrames(ncp, clock, [{ t: 0, dir: 'host>ncp', hex: framed(hex.slice(2).trim()) }])
  await clock.advance(2000)
}

function framed(hex: string): string {
  return Buffer.from(frameOf(bytesOf(hex))).toString('hex')
}
