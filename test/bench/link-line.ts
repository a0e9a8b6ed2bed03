// The serial line: which share of its rate IPv6 packets of 1,280 bytes reach, both ways, through a pseudo terminal whose far end takes and
// gives bytes at the pace of the baud rate.
import { spawn, spawnSync } from 'node:child_process'
import { createReadStream, createWriteStream } from 'node:fs'
import { Schedule, seededRandom, silentLogger, systemClock } from '#main/base/index.ts'
import { siteDataset } from '#main/simulator/index.ts'
import { createIpHost, parseIpv6 } from '#main/wire/ip/index.ts'
import { DongleLink, driverFor, PortWatch, SlipDecoder } from '#main/wire/links/index.ts'
import type { Dongle } from '../../src-main/simulator/dongle/dongle.ts'
import { Ncp } from '../../src-main/simulator/dongle/ncp.ts'
import { SlipRouter } from '../../src-main/simulator/dongle/slip-router.ts'
import { addressBytesOf, LAPTOP_IID } from '../../src-main/simulator/net/addresses.ts'
import { encodeUdp } from '../../src-main/simulator/net/packets.ts'
import type { BenchResult } from './types.ts'

const BAUD_RATES = [115_200, 460_800, 1_000_000]
const BITS_A_BYTE = 10
const PACKET_BYTES = 1280
const HEADERS_BYTES = 48
const MEASURED_MS = 3000
const TICK_MS = 1
const EUI64 = '020000fffe000001'
const PTY = 'pty,raw,echo=0'

interface Terminal {
  readonly path: string
  close(): Promise<void>
}

/** A pseudo terminal with the dongle at its far end, which moves `baudRate / 10` bytes a second each way and keeps nothing for idle times. */
async function pacedTerminal(dongle: Dongle, baudRate: number): Promise<Terminal> {
  const child = spawn('socat', ['-d', '-d', PTY, PTY], { stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = new Promise<void>((resolve) => void child.once('exit', () => resolve()))
  const [inner = '', path = ''] = await new Promise<readonly string[]>((resolve) => {
    let text = ''
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      const found = [...text.matchAll(/PTY is (\S+)/g)].flatMap((match) => match[1] ?? [])
      if (found.length >= 2) resolve(found)
    })
  })
  const output = createWriteStream(inner)
  const input = createReadStream(inner, { highWaterMark: 4096 })
  input.on('error', () => undefined)
  output.on('error', () => undefined)
  input.on('readable', () => undefined)
  const toHost: Uint8Array[] = []
  let waitingBytes = 0
  dongle.onBytes((bytes) => {
    toHost.push(bytes)
    waitingBytes += bytes.length
  })
  const bytesAMs = baudRate / BITS_A_BYTE / 1000
  let before = performance.now()
  let mayTake = 0
  let mayGive = 0
  const timer = setInterval(() => {
    const now = performance.now()
    const passed = (now - before) * bytesAMs
    before = now
    mayTake = input.readableLength === 0 ? 0 : mayTake + passed
    mayGive = waitingBytes === 0 ? 0 : mayGive + passed
    const take = Math.min(Math.floor(mayTake), input.readableLength)
    const taken: unknown = take === 0 ? null : input.read(take)
    if (taken instanceof Uint8Array) {
      mayTake -= taken.length
      dongle.write(Uint8Array.from(taken))
    }
    for (let next = toHost[0]; next !== undefined && mayGive >= 1; next = toHost[0]) {
      const part = next.subarray(0, Math.floor(mayGive))
      output.write(part)
      mayGive -= part.length
      waitingBytes -= part.length
      if (part.length === next.length) toHost.shift()
      else toHost[0] = next.subarray(part.length)
    }
  }, TICK_MS)
  return {
    path,
    async close() {
      clearInterval(timer)
      child.kill()
      await exited
      input.destroy()
      output.destroy()
    },
  }
}

export async function benchLine(): Promise<BenchResult[]> {
  if (spawnSync('socat', ['-V']).status !== 0) {
    console.error('link: no socat, so no pseudo terminals')
    return []
  }
  const results: BenchResult[] = []
  for (const protocol of ['spinel', 'slip'] as const) {
    for (const baudRate of BAUD_RATES) results.push(...(await benchRate(protocol, baudRate)))
  }
  return results
}

async function benchRate(protocol: 'spinel' | 'slip', baudRate: number): Promise<BenchResult[]> {
  const ports = { clock: systemClock, random: seededRandom(1), logger: silentLogger }
  const schedule = new Schedule(systemClock)
  let delivered = 0
  const mesh = { send: () => (delivered++, true), bind: () => undefined, unbind: () => undefined }
  const dataset = siteDataset(1)
  const eui64 = Uint8Array.of(2, 0, 0, 0xff, 0xfe, 0xf0, 0, 1)
  const ncp = { eui64, extendedAddress: eui64, meshLocalIid: LAPTOP_IID, rloc16: 0xf400, partition: 1 }
  const dongle: Dongle =
    protocol === 'slip'
      ? countingFrames(new SlipRouter({ eui64, schedule, mesh, isInMesh: () => true, onPrefix: () => undefined }), () => delivered++)
      : new Ncp({ identity: ncp, schedule, mesh, saved: dataset, siteDataset: dataset, ...ports })
  const terminal = await pacedTerminal(dongle, baudRate)
  const link = new DongleLink({
    id: 'bench',
    target: { path: terminal.path, settings: { baudRate, rtscts: false } },
    createDriver: driverFor({ slipPrefix: 'fd00::/64' }),
    watch: new PortWatch({ clock: systemClock }),
    ...ports,
  })
  const host = createIpHost({ link, ...ports })
  const channel = host.openUdp({ port: 5683 })
  let received = 0
  channel.subscribe((event) => (event.kind === 'datagram' ? received++ : undefined))
  link.open()
  while (!link.up) await pause(50)
  await pause(500)

  // What neither protocol has to escape: the share of the line is measured, not the content.
  const payload = seededRandom(2)
    .bytes(PACKET_BYTES - HEADERS_BYTES)
    .map((byte) => byte & 0x0f)
  const device = { address: 'fd00::fe00:1', port: 5683 }
  const out = await rateOf(
    () => delivered,
    () => {
      for (let room = 6 - link.counters().queuedPackets; room > 0; room--) channel.send(payload, device)
    },
  )
  await pause(1500)
  const packet = encodeUdp({
    source: addressBytesOf(EUI64),
    sourcePort: 5683,
    destination: parseIpv6(channel.local.address) ?? new Uint8Array(16),
    destinationPort: 5683,
    payload,
  })
  const packetMs = (PACKET_BYTES * BITS_A_BYTE * 1000) / baudRate
  const startedMs = performance.now()
  let given = 0
  const into = await rateOf(
    () => received,
    () => {
      // A little more than the line carries, so that it never idles.
      for (; given * packetMs < performance.now() - startedMs + 200; given++) dongle.receive(packet)
    },
  )
  await host.close()
  await link.close()
  await terminal.close()
  dongle.close()
  schedule.clear()
  const most = baudRate / BITS_A_BYTE / PACKET_BYTES
  const result = (way: string, value: number): BenchResult => ({
    area: 'link',
    name: `${protocol} at ${baudRate} baud, ${PACKET_BYTES}-byte packets ${way}; baseline: the line carrying nothing but their bytes`,
    value,
    unit: 'packets/s',
    baseline: most,
    ratio: value / most,
  })
  return [result('out', out), result('in', into)]
}

/** The router itself hands on no packet of this size: what is whole on the line counts. */
function countingFrames(dongle: Dongle, count: () => void): Dongle {
  const decoder = new SlipDecoder((item) => (item.kind === 'packet' && item.bytes.length === PACKET_BYTES ? count() : undefined))
  return {
    write(bytes) {
      decoder.push(bytes)
      dongle.write(bytes)
    },
    onBytes: (listener) => dongle.onBytes(listener),
    receive: (packet) => dongle.receive(packet),
    reset: () => dongle.reset(),
    close: () => dongle.close(),
  }
}

/** Counts a second while `work` is done again and again, from one arrival to another. */
async function rateOf(count: () => number, work: () => void): Promise<number> {
  const before = count()
  while (count() < before + 2) {
    work()
    await pause(1)
  }
  const [first, startedMs] = [count(), performance.now()]
  let [last, lastMs] = [first, startedMs]
  while (performance.now() - startedMs < MEASURED_MS) {
    work()
    await pause(1)
    if (count() > last) [last, lastMs] = [count(), performance.now()]
  }
  return ((last - first) * 1000) / (lastMs - startedMs)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms))
}
