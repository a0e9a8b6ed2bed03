// The IP layer over a link: packets a second out of and into a UDP port, against a memory copy of the same bytes.
import { fileURLToPath } from 'node:url'
import { seededRandom, type DatagramChannel } from '#main/base/index.ts'
import { createIpHost } from '#main/wire/ip/index.ts'
import { linkLocal, MemoryPacketLink, meshLocal } from '../support/packet-link.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { median, timed } from './measure.ts'
import type { BenchResult } from './types.ts'

const PACKETS = 200_000
const ROUNDS = 7
const SIZES = [1280, 64]
const HEADERS_BYTES = 48

interface Side {
  readonly link: MemoryPacketLink
  readonly channel: DatagramChannel
}

function sideAt(address: string, localAddress: string): Side {
  const link = new MemoryPacketLink({ addresses: [linkLocal(localAddress), meshLocal(address)] })
  // A link that keeps what is sent would measure the keeping.
  link.send = (packet) => link.carry(packet)
  return { link, channel: createIpHost({ link, clock: new VirtualClock(), random: seededRandom(1) }).openUdp({ port: 5683 }) }
}

export async function benchLinkIp(): Promise<BenchResult[]> {
  const results: BenchResult[] = []
  for (const bytes of SIZES) results.push(...(await benchSize(bytes)))
  return results
}

async function benchSize(bytes: number): Promise<BenchResult[]> {
  const payload = seededRandom(2).bytes(bytes - HEADERS_BYTES)
  const [here, there] = [sideAt('fd00::1', 'fe80::1'), sideAt('fd00::2', 'fe80::2')]
  const to = { address: 'fd00::2', port: 5683 }
  let taken = 0
  there.channel.subscribe((event) => (event.kind === 'datagram' ? (taken += event.datagram.payload.length) : undefined))
  let packet: Uint8Array = new Uint8Array(0)
  here.link.carry = (sent) => {
    packet = sent
  }
  const out = (): void => {
    for (let count = 0; count < PACKETS; count++) here.channel.send(payload, to)
  }
  out()
  const arriving = packet
  const into = (): void => {
    for (let count = 0; count < PACKETS; count++) there.link.receive(arriving)
  }
  const copy = (): void => {
    for (let count = 0; count < PACKETS; count++) packet = arriving.slice()
  }
  const times = { out: [] as number[], into: [] as number[], copy: [] as number[] }
  copy()
  into()
  for (let round = 0; round < ROUNDS; round++) {
    times.copy.push(await timed(copy))
    times.out.push(await timed(out))
    times.into.push(await timed(into))
  }
  if (taken === 0) throw new Error('no packet arrived')
  const rate = (kind: keyof typeof times): number => (PACKETS / median(times[kind])) * 1000
  const result = (way: string, value: number): BenchResult => ({
    area: 'link',
    name: `ip, ${bytes}-byte packets ${way}, against a memory copy of the same bytes`,
    value,
    unit: 'packets/s',
    baseline: rate('copy'),
    ratio: value / rate('copy'),
  })
  return [result('out', rate('out')), result('in', rate('into'))]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const line of await benchLinkIp()) {
    console.log(
      `${line.name}: ${Math.round(line.value)} ${line.unit}, baseline ${Math.round(line.baseline ?? 0)}, ratio ${line.ratio?.toFixed(3) ?? '-'}`,
    )
  }
}
