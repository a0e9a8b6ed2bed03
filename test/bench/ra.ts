// The registration authority: complete enrolments a second beside the bare signatures that they need, beside OpenSSL's mock server
// through one client, and what an enrolment costs on the radio.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import {
  exportSigningKey,
  generateSigningKey,
  importVerifyingKey,
  seededRandom,
  signAs,
  silentLogger,
  systemClock,
  systemRandom,
  verifyAs,
} from '#main/base/index.ts'
import { CmpClient, createCoapTransport, createHttpTransport, serveCmp, type CmpTransport } from '#main/services/ra/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { MemoryNetwork, openUdpChannel } from '#main/wire/ip/index.ts'
import { Oid } from '../../src-main/services/ra/der/index.ts'
import { migrations } from '../../src-main/store/migrations/index.ts'
import { openBridge } from '../interop/http-coap-bridge.ts'
import {
  createManufacturer,
  memoryDatabase,
  nameOf,
  openSite,
  signedBy,
  toPem,
  type Issued,
  type Manufacturer,
  type Site,
} from '../services/ra/harness.ts'
import { findPeer } from '../support/peers.ts'
import { median } from './measure.ts'
import type { BenchResult } from './types.ts'

const ENROLMENTS = 150
const ROUNDS = 5
/** Devices at once. */
const WINDOW = 16
/** Signatures of one enrolment by IDevID with explicit confirmation: four messages, proof of possession, certificate. */
const SIGNS = 6
/** Four messages, the proof of possession, and the last link of three paths: the IDevID's, the authority's signer's, the new certificate's. */
const VERIFIES = 8
/** Keys that nobody has seen before: the IDevID's, the requested one, and for each device those of signer and root. */
const FRESH_KEYS = 4

export async function benchAuthority(): Promise<readonly BenchResult[]> {
  // Timers of the clock do not keep the process alive.
  const alive = setInterval(() => undefined, 1000)
  try {
    const results = [...(await benchEngine()), await benchRadio()]
    const openssl = findPeer(['openssl'])
    return openssl === undefined ? results : [...results, ...(await benchBridge(openssl))]
  } finally {
    clearInterval(alive)
  }
}

async function benchEngine(): Promise<readonly BenchResult[]> {
  const manufacturer = createManufacturer(Date.now())
  const folder = mkdtempSync(join(tmpdir(), 'groupwright-bench-'))
  const database = new BetterSqlite3(join(folder, 'ra.sqlite'))
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  for (const step of migrations) database.exec(step)
  const memory = await openBenchSite(manufacturer, memoryDatabase())
  const durable = await openBenchSite(manufacturer, database, true)
  const rates: Record<'memory' | 'durable' | 'bare', number[]> = { memory: [], durable: [], bare: [] }
  for (let round = 0; round <= ROUNDS; round++) {
    const bare = bareSignatures()
    const inMemory = await enrolMany(memory, manufacturer, directTransport(memory), round, 1)
    const onDisk = await enrolMany(durable, manufacturer, directTransport(durable), round, WINDOW)
    // The first round warms up.
    if (round === 0) continue
    rates.bare.push(bare)
    rates.memory.push(inMemory)
    rates.durable.push(onDisk)
  }
  for (const site of [memory, durable]) {
    site.authority.close()
    site.ca.close()
  }
  database.close()
  rmSync(folder, { recursive: true, force: true })
  const name = 'complete enrolments by IDevID, client and authority in one thread'
  const baseline = median(rates.bare)
  const result = (what: string, value: number): BenchResult => ({
    area: 'ra',
    name: what,
    value,
    unit: '/s',
    baseline,
    ratio: value / baseline,
  })
  return [
    result(
      `${name}; store in memory; baseline: their ${SIGNS} signatures and ${VERIFIES} verifications with ${FRESH_KEYS} fresh keys alone`,
      median(rates.memory),
    ),
    result(`${name}; durable store, ${WINDOW} devices at once; baseline as before`, median(rates.durable)),
  ]
}

async function openBenchSite(manufacturer: Manufacturer, database: BetterSqlite3.Database, groupCommits = false): Promise<Site> {
  const ra = {
    random: systemRandom,
    groupCommits,
    manufacturerAnchors: [manufacturer.root.certificate.bytes],
  }
  const site = await openSite({ clock: systemClock, database, ra, ca: { random: systemRandom } })
  const rows = Array.from({ length: ENROLMENTS }, (_, index) => ({ reference: `row-${index}`, identities: [`lamp-${index}`] }))
  await site.desk.preRegister(rows, 'bench')
  return site
}

function directTransport(site: Site): CmpTransport {
  return { exchange: async (message) => (await site.authority.handle(message, { source: 'bench' })).bytes, close: () => undefined }
}

async function enrolMany(site: Site, manufacturer: Manufacturer, transport: CmpTransport, round: number, window: number): Promise<number> {
  const anchors = [site.ca.active.certificate.bytes]
  const devices = Array.from({ length: ENROLMENTS }, (_, index) => ({
    idevid: manufacturer.device(`CN=lamp-${index}`),
    key: generateSigningKey('P-256'),
  }))
  const random = seededRandom(round * 77 + Math.floor(performance.now()))
  const startedMs = performance.now()
  let next = 0
  const work = async (): Promise<void> => {
    for (let index = next++; index < ENROLMENTS; index = next++) {
      const { idevid, key } = devices[index]!
      const client = new CmpClient({ transport, clock: systemClock, random, protector: signedBy(idevid), anchors })
      await client.enrol('ir', { key, subject: nameOf(`CN=lamp-${index}`) })
    }
  }
  await Promise.all(Array.from({ length: window }, work))
  return (ENROLMENTS * 1000) / (performance.now() - startedMs)
}

function bareSignatures(): number {
  const key = generateSigningKey('P-256')
  const spki = key.spki
  const message = new Uint8Array(1500).fill(3)
  const startedMs = performance.now()
  for (let index = 0; index < ENROLMENTS; index++) {
    let signature = signAs(key, message)
    for (let sign = 1; sign < SIGNS; sign++) signature = signAs(key, message)
    const verifying = Array.from({ length: FRESH_KEYS }, () => importVerifyingKey(spki))
    for (let verify = 0; verify < VERIFIES; verify++) verifyAs(verifying[verify % FRESH_KEYS]!, key.scheme, message, signature)
  }
  return (ENROLMENTS * 1000) / (performance.now() - startedMs)
}

/** Frames of IEEE 802.15.4 at 250 kbit/s for UDP payloads, compressed headers and fragments by RFC 6282 and RFC 4944. */
function airtimeS(payloads: readonly number[]): number {
  const FRAME_BYTES = 127
  const MAC_BYTES = 23
  const IP_UDP_BYTES = 12
  const FRAGMENT_BYTES = 5
  const PHY_BYTES = 6
  const ACK_BYTES = 11
  let bytes = 0
  for (const payload of payloads) {
    const whole = payload + IP_UDP_BYTES
    const room = FRAME_BYTES - MAC_BYTES
    const frames = whole <= room ? 1 : Math.ceil(whole / (room - FRAGMENT_BYTES))
    bytes += whole + frames * (PHY_BYTES + MAC_BYTES + ACK_BYTES + (frames > 1 ? FRAGMENT_BYTES : 0))
  }
  return (bytes * 8) / 250_000
}

async function benchRadio(): Promise<BenchResult> {
  const manufacturer = createManufacturer(Date.now())
  const site = await openBenchSite(manufacturer, memoryDatabase())
  const network = new MemoryNetwork({ clock: systemClock, random: seededRandom(1) })
  const tree = new ResourceTree()
  const server = serveCmp({ registry: tree, authority: site.authority, clock: systemClock })
  const payloads: number[] = []
  const ports = { clock: systemClock, random: systemRandom, logger: silentLogger }
  new CoapEndpoint({
    ...ports,
    channel: network.channel({ address: '2001:db8::1', port: 5683 }),
    tree,
    onTrace: ({ bytes }) => payloads.push(bytes),
  })
  const device = new CoapEndpoint({ ...ports, channel: network.channel({ address: '2001:db8::2', port: 0 }) })
  const transport = createCoapTransport({ client: device, to: { address: '2001:db8::1', port: 5683 }, blockBytes: 64 })
  const client = new CmpClient({
    transport,
    clock: systemClock,
    random: systemRandom,
    protector: signedBy(manufacturer.device('CN=lamp-1')),
    anchors: [site.ca.active.certificate.bytes],
  })
  await client.enrol('ir', { key: generateSigningKey('P-256'), subject: nameOf('CN=lamp-1') })
  server.close()
  site.authority.close()
  site.ca.close()
  const bytes = payloads.reduce((sum, value) => sum + value, 0)
  const name = `radio time of one enrolment by IDevID, blocks of 64 bytes, 802.15.4 at 250 kbit/s: ${payloads.length} datagrams, ${bytes} bytes of UDP payload`
  return { area: 'ra', name, value: airtimeS(payloads), unit: 's', baseline: undefined, ratio: undefined }
}

async function benchBridge(openssl: string): Promise<readonly BenchResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'groupwright-bench-'))
  const manufacturer = createManufacturer(Date.now())
  const operator = createManufacturer(Date.now(), 'Operator')
  const site = await openBenchSite(manufacturer, memoryDatabase())
  const tree = new ResourceTree()
  const server = serveCmp({ registry: tree, authority: site.authority, clock: systemClock, rates: { burst: 1_000_000 } })
  const channel = await openUdpChannel({ bindAddress: '127.0.0.1', port: 0, logger: silentLogger })
  const endpoint = new CoapEndpoint({ channel, tree, clock: systemClock, random: systemRandom, logger: silentLogger })
  const bridge = await openBridge({ to: channel.local })
  const issued = operator.device('CN=lamp-1')
  const mock = await startMock(openssl, folder, manufacturer, operator, issued)
  try {
    const enrol = async (port: number, key: Issued['key'], anchor: Uint8Array): Promise<number> => {
      const transport = createHttpTransport({ url: `http://127.0.0.1:${port}/pkix/`, clock: systemClock, chunked: false })
      const protector = signedBy(manufacturer.device('CN=lamp-1'))
      const client = new CmpClient({ transport, clock: systemClock, random: systemRandom, protector, anchors: [anchor] })
      const startedMs = performance.now()
      await client.enrol('ir', { key, subject: nameOf('CN=lamp-1') })
      const took = performance.now() - startedMs
      transport.close()
      return took
    }
    const ours: number[] = []
    const theirs: number[] = []
    for (let round = 0; round < 40; round++) {
      ours.push(await enrol(bridge.port, generateSigningKey('P-256'), site.ca.active.certificate.bytes))
      theirs.push(await enrol(mock.port, issued.key, operator.root.certificate.bytes))
    }
    const [value, baseline] = [median(ours.slice(5)), median(theirs.slice(5))]
    const name = 'one enrolment over HTTP, the bridge and CoAP; baseline: OpenSSL’s mock server over HTTP, which issues nothing'
    return [{ area: 'ra', name, value, unit: 'ms', baseline, ratio: value / baseline }]
  } finally {
    mock.stop()
    await bridge.close()
    server.close()
    endpoint.close()
    await channel.close()
    site.authority.close()
    site.ca.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function startMock(
  openssl: string,
  folder: string,
  manufacturer: Manufacturer,
  operator: Manufacturer,
  issued: Issued,
): Promise<{ readonly port: number; stop(): void }> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const bound = probe.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0
  await new Promise((resolve) => probe.close(resolve))
  const signer = operator.device('CN=RA', [], 'P-256', [Oid.cmcRa])
  const file = (name: string, label: string, der: Uint8Array): string => {
    writeFileSync(join(folder, name), toPem(label, der))
    return join(folder, name)
  }
  const issuing = file('sub.pem', 'CERTIFICATE', operator.issuing.certificate.bytes)
  const child = spawn(
    openssl,
    [
      ...['cmp', '-config', '', '-port', String(port), '-srv_cert', file('ra.pem', 'CERTIFICATE', signer.certificate.bytes)],
      ...['-srv_key', file('ra-key.pem', 'PRIVATE KEY', exportSigningKey(signer.key)), '-srv_untrusted', issuing],
      ...['-srv_trusted', file('root.pem', 'CERTIFICATE', manufacturer.root.certificate.bytes)],
      ...['-rsp_cert', file('cert.pem', 'CERTIFICATE', issued.certificate.bytes), '-rsp_extracerts', issuing],
    ],
    { stdio: 'ignore' },
  )
  await new Promise((resolve) => setTimeout(resolve, 700))
  return { port, stop: () => child.kill('SIGTERM') }
}
