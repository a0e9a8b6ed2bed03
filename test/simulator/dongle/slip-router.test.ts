// The simulated border router against what Contiki-NG's answered to the same bytes; nodes behind it are not part of it.
import { describe, expect, it } from 'vitest'
import { Schedule, toHex } from '#main/base/index.ts'
import { SlipRouter, type SlipRouterOptions } from '../../../src-main/simulator/dongle/slip-router.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { bytesOf, recording } from './replay.ts'

const ROUTER = '02124b0000000001'
const MESH = /02124b000000000[23]$/

interface RouterBench {
  readonly clock: VirtualClock
  readonly router: SlipRouter
  readonly toMesh: string[]
  readonly chunks: Uint8Array[]
}

function routerBench(options: Partial<SlipRouterOptions> = {}): RouterBench {
  const clock = new VirtualClock()
  const toMesh: string[] = []
  const chunks: Uint8Array[] = []
  const router = new SlipRouter({
    eui64: bytesOf('00124b0000000001'),
    schedule: new Schedule(clock),
    mesh: { send: (packet) => toMesh.push(toHex(packet)) > 0, bind: () => undefined, unbind: () => undefined },
    isInMesh: (address) => MESH.test(toHex(address)),
    onPrefix: () => undefined,
    ...options,
  })
  router.onBytes((bytes) => chunks.push(bytes))
  return { clock, router, toMesh, chunks }
}

/** Frames with their ENDs as recorded; bare log lines are none. */
function framesOf(chunks: readonly Uint8Array[]): readonly string[] {
  return chunks.map(toHex).filter((hex) => hex.startsWith('c0') && hex !== 'c03f50c0')
}

describe('the simulated border router', () => {
  it.each(['slip-02-mac-request', 'slip-04-multicast-and-linklocal', 'slip-10-errors'])(
    'answers as the recorded one in %s',
    async (name) => {
      const bench = routerBench()
      const lines = recording('slip', name)
      if (!lines.some((line) => line.hex?.startsWith('c02150') === true)) bench.router.write(bytesOf('c02150fd00000000000000c0'))
      let atMs = 0
      const asked: string[] = []
      for (const line of lines) {
        await bench.clock.advance(Math.max(0, line.t - atMs))
        atMs = Math.max(atMs, line.t)
        if (line.dir !== 'host>dongle' || line.hex === undefined) continue
        asked.push(line.hex)
        bench.router.write(bytesOf(line.hex))
      }
      // What the router says itself: control frames, and packets from its own address.
      const own = lines.flatMap(({ dir, hex }) => {
        if (dir !== 'dongle>host' || hex === undefined || hex === 'c03f50c0') return []
        const isOwn = hex.startsWith('c021') || (hex.startsWith('c060') && hex.slice(18, 50).endsWith(ROUTER))
        return isOwn ? [hex] : []
      })
      // Multicast and link-local are dropped in silence.
      expect(own.length > 0).toBe(name !== 'slip-04-multicast-and-linklocal')
      expect(framesOf(bench.chunks)).toEqual(own)
      // One hop less for what goes on, and no multicast.
      const nodes = bench.toMesh.map((hex) => hex.slice(48, 80))
      expect(nodes.every((address) => MESH.test(address))).toBe(true)
      expect(asked.length).toBeGreaterThan(bench.toMesh.length)
    },
  )

  it('asks for its prefix every second until it has one, keeps the first, and is deaf on the radio before', async () => {
    const bench = routerBench()
    await bench.clock.advance(3100)
    expect(bench.chunks.map((bytes) => Buffer.from(bytes).toString('latin1'))).toEqual(
      Array.from({ length: 3 }, () => ['[INFO: BR        ] Waiting for prefix\n', '\u00c0?P\u00c0']).flat(),
    )
    expect(bench.router.address).toBeUndefined()
    bench.router.write(bytesOf('c02150fd00000000000000c0c02150fd99000000000000c0'))
    expect(toHex(bench.router.address!)).toBe(`fd00000000000000${ROUTER}`)
    bench.chunks.length = 0
    await bench.clock.advance(10_000)
    expect(framesOf(bench.chunks)).toEqual([])
  })

  it('loses what is longer than its buffer after escaping, and hears the next frame', () => {
    const bench = routerBench()
    bench.router.write(bytesOf('c02150fd00000000000000c0'))
    const packetOf = (filler: number, length: number): Uint8Array => {
      const packet = new Uint8Array(40 + length).fill(filler, 40)
      packet.set(bytesOf('60000000'), 0)
      packet.set([length >> 8, length & 0xff, 17, 64], 4)
      packet.set(bytesOf(`fd000000000000000000000000000001fd00000000000000${ROUTER.slice(0, -1)}2`), 8)
      return packet
    }
    const send = (packet: Uint8Array): void => {
      const escaped = [...packet].flatMap((byte) => (byte === 0xc0 ? [0xdb, 0xdc] : byte === 0xdb ? [0xdb, 0xdd] : [byte]))
      bench.router.write(Uint8Array.from([0xc0, ...escaped, 0xc0]))
    }
    send(packetOf(0xc0, 600))
    expect(bench.toMesh).toHaveLength(1)
    send(packetOf(0xc0, 640))
    expect(bench.toMesh).toHaveLength(1)
    send(packetOf(0x2a, 100))
    expect(bench.toMesh).toHaveLength(2)
  })

  it('drops a frame with a wrong escape, and frames its log lines where boards do', async () => {
    const bench = routerBench({ logLines: 'framed' })
    bench.router.write(bytesOf('c03f4ddb00c0'))
    expect(framesOf(bench.chunks)).toEqual([])
    await bench.clock.advance(1000)
    expect(toHex(bench.chunks[0]!)).toMatch(/^c00d5b.*0ac0$/)
  })
})
