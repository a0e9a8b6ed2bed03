// The directory over UDP with a real file, beside a bare dgram echo and beside other directories: one run, one load generator for all.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startServer } from './coap-load.ts'
import { median } from './measure.ts'
import { hasTenLinks, isRegistered, linksOf, load, lookups, registrations, type Load } from './rd-load.ts'
import { peers, startOurs, type DirectoryServer, type OurServer, type Peer } from './rd-servers.ts'
import type { BenchResult } from './types.ts'

const REGISTRATIONS = 6000
const ROUNDS = 5
/** Many more would overflow the receive buffer that a socket has by default. */
const OUTSTANDING = [16, 64]
const SIZES = [1000, 10_000, 100_000]
/** Of one socket: a Message ID must not come twice. */
const PORTION = 20_000
const LOOKUPS = 5000
/** Of those who need a second for each. */
const FEW_LOOKUPS = 8
const FILL_OUTSTANDING = 64
const LOOKUP_OUTSTANDING = 4

export async function benchDurableDirectory(): Promise<readonly BenchResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'rd-bench-'))
  try {
    const results: BenchResult[] = await besideEcho(join(folder, 'echo.sqlite'))
    const filled = new Map<number, Filled>()
    for (const size of SIZES) {
      const file = join(folder, `${size}.sqlite`)
      const server = await startOurs(file)
      try {
        filled.set(size, await fill(server, size, LOOKUPS))
        results.push(...(await ownResults(server, size, filled.get(size))))
      } finally {
        await server.stop()
      }
      results.push(await restart(file, size))
    }
    for (const peer of peers) results.push(...(await besidePeer(peer, filled)))
    return results
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function besideEcho(file: string): Promise<BenchResult[]> {
  const server = await startOurs(file)
  const echo = await startServer('echo')
  const results: BenchResult[] = []
  try {
    for (const outstanding of OUTSTANDING) {
      const rounds: Load[] = []
      const echoes: Load[] = []
      for (let round = -1; round < ROUNDS; round++) {
        const datagrams = registrations(server.paths, `lamp-${outstanding}-${round}-`, 0, REGISTRATIONS)
        const echoed = await load(echo.port, datagrams, outstanding, () => true)
        const registered = await load(server.port, datagrams, outstanding, isRegistered)
        // The first warms both up.
        if (round < 0) continue
        echoes.push(echoed)
        rounds.push(registered)
      }
      const about = `durable registrations of 8 links, ${outstanding} outstanding (baseline: bare dgram echo)`
      results.push(resultOf(about, '/s', medianOf(rounds, 'perSecond'), medianOf(echoes, 'perSecond')))
      results.push(resultOf(`p99 latency of ${about}`, 'ms', medianOf(rounds, 'p99Ms'), medianOf(echoes, 'p99Ms')))
    }
  } finally {
    echo.stop()
    await server.stop()
  }
  return results
}

interface Filled {
  readonly registered: Load
  readonly found: Load | undefined
  /** What the process has grown by, for each endpoint. */
  readonly bytesEach: number
}

/** Registers so many endpoints, then looks up by resource type. */
async function fill(server: DirectoryServer, size: number, lookupCount: number): Promise<Filled> {
  const before = server.residentBytes()
  const portions: Load[] = []
  let seconds = 0
  for (let first = 0; first < size; first += PORTION) {
    const count = Math.min(PORTION, size - first)
    const portion = await load(server.port, registrations(server.paths, 'n', first, count), FILL_OUTSTANDING, isRegistered)
    portions.push(portion)
    seconds += count / portion.perSecond
  }
  const bytesEach = (server.residentBytes() - before) / size
  const outstanding = lookupCount <= FEW_LOOKUPS ? 1 : LOOKUP_OUTSTANDING
  const found = lookupCount === 0 ? undefined : await load(server.port, lookups(server.paths, size, lookupCount), outstanding, hasTenLinks)
  return { registered: { perSecond: size / seconds, p99Ms: Math.max(...portions.map(({ p99Ms }) => p99Ms)) }, found, bytesEach }
}

async function ownResults(server: OurServer, size: number, filled: Filled | undefined): Promise<readonly BenchResult[]> {
  const heapBytes = await server.heapBytes()
  let linkBytes = 0
  for (let endpoint = 0; endpoint < size; endpoint++) linkBytes += linksOf(endpoint).length
  const empty = await heapOfEmpty()
  const at = `at ${size.toLocaleString('en')} endpoints with 8 links`
  return [
    resultOf(`durable registrations up to ${size.toLocaleString('en')} endpoints`, '/s', filled?.registered.perSecond),
    resultOf(`p99 latency of durable registrations up to ${size.toLocaleString('en')} endpoints`, 'ms', filled?.registered.p99Ms),
    resultOf(`lookups by rt with 10 hits ${at}`, '/s', filled?.found?.perSecond),
    resultOf(`p99 latency of lookups by rt with 10 hits ${at}`, 'ms', filled?.found?.p99Ms),
    resultOf(`heap for each endpoint beyond its links' bytes ${at}`, 'bytes', (heapBytes - empty - linkBytes) / size),
  ]
}

async function heapOfEmpty(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'rd-bench-'))
  const server = await startOurs(join(folder, 'empty.sqlite'))
  try {
    return await server.heapBytes()
  } finally {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function restart(file: string, size: number): Promise<BenchResult> {
  const server = await startOurs(file)
  await server.stop()
  if (server.endpoints !== size) throw new Error(`${server.endpoints} of ${size} endpoints were there after a kill`)
  return resultOf(`start with ${size.toLocaleString('en')} endpoints in the file, after a kill`, 'ms', server.tookMs)
}

async function besidePeer(peer: Peer, ours: ReadonlyMap<number, Filled>): Promise<readonly BenchResult[]> {
  const results: BenchResult[] = []
  for (const size of SIZES) {
    if (size > peer.most) break
    const server = await peer.start()
    if (server === undefined) {
      console.log(`rd: ${peer.name} is not installed, its rows are left out`)
      return []
    }
    try {
      const theirs = await fill(server, size, peer.looksUp ? FEW_LOOKUPS : 0)
      const own = ours.get(size)
      const at = `${size.toLocaleString('en')} endpoints (baseline: ${peer.name})`
      results.push(resultOf(`durable registrations up to ${at}`, '/s', own?.registered.perSecond, theirs.registered.perSecond))
      results.push(resultOf(`p99 latency of durable registrations up to ${at}`, 'ms', own?.registered.p99Ms, theirs.registered.p99Ms))
      results.push(resultOf(`growth of the process for each of ${at}`, 'bytes', own?.bytesEach, theirs.bytesEach))
      if (theirs.found === undefined) continue
      results.push(resultOf(`lookups by rt with 10 hits at ${at}`, '/s', own?.found?.perSecond, theirs.found.perSecond))
      results.push(resultOf(`p99 latency of lookups by rt with 10 hits at ${at}`, 'ms', own?.found?.p99Ms, theirs.found.p99Ms))
    } finally {
      await server.stop()
    }
  }
  return results
}

function medianOf(rounds: readonly Load[], key: keyof Load): number {
  return median(rounds.map((one) => one[key]))
}

function resultOf(name: string, unit: string, value = Number.NaN, baseline?: number): BenchResult {
  return { area: 'rd', name, value, unit, baseline, ratio: baseline === undefined ? undefined : value / baseline }
}
