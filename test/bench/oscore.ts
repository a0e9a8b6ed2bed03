// OSCORE and Group OSCORE: messages protected and opened in a second of one core, as a share of what the bare crypto calls in them would
// allow, with and without the modes that Electron's node:crypto lacks, and beside aiocoap; rekeying; memory of Recipient Contexts.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { generateKeyPair, systemClock, type SocketAddress } from '#main/base/index.ts'
import { makeCcs, SecurityGroup, volatileSequences, type GroupContextInput } from '#main/wire/oscore/index.ts'
import { endOf, groupSpec, unicastSpec, type OurEnd, type PeerSpec } from '../interop/oscore-ends.ts'
import { freePort } from '../interop/our-server.ts'
import { findPeer } from '../support/peers.ts'
import type { BenchResult } from './types.ts'

interface ChildResult {
  readonly rates: ReadonlyArray<{ readonly name: string; readonly perSecond: number; readonly barePerSecond: number }>
  readonly bytesPerRecipient: number
}

const RECIPIENTS = 10_000

export async function benchOscore(): Promise<BenchResult[]> {
  const native = child([])
  const portable = child([`--require=${join(import.meta.dirname, '../support/boringssl-preload.cjs')}`])
  const results: BenchResult[] = []
  for (const [path, { rates }] of [
    ['native', native],
    ['portable', portable],
  ] as const) {
    for (const { name, perSecond, barePerSecond } of rates) {
      const unit = 'messages/CPU s'
      const ratio = perSecond / barePerSecond
      results.push({
        area: 'oscore',
        name: `${name}, ${path}, against its bare crypto calls`,
        unit,
        value: perSecond,
        baseline: barePerSecond,
        ratio,
      })
    }
  }
  results.push(...(await againstAiocoap(native)))
  results.push(...rekeying())
  const megabytes = (native.bytesPerRecipient * RECIPIENTS) / 2 ** 20
  results.push({
    area: 'oscore',
    name: '10 000 Recipient Contexts with the keys of both modes',
    unit: 'MiB',
    value: megabytes,
    baseline: undefined,
    ratio: undefined,
  })
  return results
}

function child(flags: readonly string[]): ChildResult {
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--expose-gc', ...flags, join(import.meta.dirname, 'oscore-child.ts')], {
    encoding: 'utf8',
    timeout: 300_000,
  })
  if (status !== 0) throw new TypeError(`The measuring process failed: ${stderr}`)
  return JSON.parse(stdout) as ChildResult
}

/**
 * GETs over loopback from our client, to our server and to aiocoap's: what each server spends. Nothing where there is no aiocoap, or no /proc.
 * A row beside each says what a server would reach that spends time on nothing but the crypto calls: both ends pay for the same
 * signatures, so that in group mode no ratio can be larger than that.
 */
async function againstAiocoap(native: ChildResult): Promise<BenchResult[]> {
  const python = findPeer([process.env.GROUPWRIGHT_AIOCOAP_PYTHON ?? ''])
  if (python === undefined || process.platform !== 'linux') return []
  const folder = mkdtempSync(join(tmpdir(), 'oscore-bench-'))
  const cases: ReadonlyArray<readonly [string, PeerSpec]> = [
    ['OSCORE', unicastSpec()],
    ['group mode EdDSA', groupSpec('Ed25519', { mode: 'group', answers: 'group' })],
    ['pairwise mode EdDSA', groupSpec('Ed25519', { mode: 'pairwise' })],
    ['group mode ES256', groupSpec('P-256', { mode: 'group', answers: 'group' })],
    ['pairwise mode ES256', groupSpec('P-256', { mode: 'pairwise' })],
  ]
  const results: BenchResult[] = []
  try {
    for (const [name, spec] of cases) {
      const file = join(folder, 'spec.json')
      writeFileSync(file, JSON.stringify(spec))
      const value = await requestsPerCpuSecond(spec, process.execPath, [join(import.meta.dirname, 'oscore-server.ts'), file])
      const port = await freePort('::1')
      const args = [join(import.meta.dirname, '../interop/aiocoap/oscore_server.py'), '::1', String(port), file]
      const baseline = await requestsPerCpuSecond(spec, python, args, port)
      results.push({
        area: 'oscore',
        name: `${name}, GETs served, against aiocoap`,
        unit: 'requests/CPU s',
        value,
        baseline,
        ratio: value / baseline,
      })
      const bound = bareExchanges(native, name)
      results.push({
        area: 'oscore',
        name: `${name}, GETs that the bare crypto calls of a server would allow, against aiocoap`,
        unit: 'requests/CPU s',
        value: bound,
        baseline,
        ratio: bound / baseline,
      })
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return results
}

/** To open the request and to protect the response, back to back. */
function bareExchanges({ rates }: ChildResult, name: string): number {
  const calls = rates.filter((rate) => rate.name.startsWith(`${name} `))
  return 1 / calls.reduce((seconds, { barePerSecond }) => seconds + 1 / barePerSecond, 0)
}

/** What compiles as it runs gets time to do so; the other is slow enough without. */
const ROUNDS = { ours: { warmUp: 20_000, requests: 10_000 }, theirs: { warmUp: 50, requests: 400 } }

/** Of the server alone: user and system time of its process. */
async function requestsPerCpuSecond(spec: PeerSpec, program: string, args: readonly string[], theirPort?: number): Promise<number> {
  const { warmUp, requests } = theirPort === undefined ? ROUNDS.ours : ROUNDS.theirs
  const server = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  const client = await endOf(spec, 'client', { nstart: 16 })
  try {
    const [line] = (await once(createInterface({ input: server.stdout }), 'line')) as [string]
    const at = { address: '::1', port: theirPort ?? Number(line) }
    await ask(client, at, warmUp)
    const before = cpuSeconds(server.pid)
    await ask(client, at, requests)
    return requests / (cpuSeconds(server.pid) - before)
  } finally {
    server.kill('SIGKILL')
    await client.close()
  }
}

async function ask({ endpoint, security }: OurEnd, at: SocketAddress, count: number): Promise<void> {
  let left = count
  const lane = async (): Promise<void> => {
    while (left-- > 0) await endpoint.request(at, { method: 'GET', path: ['hello'], security })
  }
  await Promise.all(Array.from({ length: 16 }, lane))
}

/** utime and stime of /proc/PID/stat, in ticks of 10 ms. */
function cpuSeconds(pid: number | undefined): number {
  const fields =
    readFileSync(`/proc/${pid ?? 0}/stat`, 'utf8')
      .split(') ')
      .at(-1)
      ?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** A member's part of a rekeying: the new context, and the stale members of the old one. */
function rekeying(): BenchResult[] {
  return [10, 200, 1000].map((count) => {
    const own = generateKeyPair('Ed25519')
    const credential = makeCcs(own.publicKey)
    const members = Array.from({ length: count }, (_, index) => ({ senderId: Uint8Array.of(1 + (index >> 8), index & 255), credential }))
    const inputOf = (generation: number): GroupContextInput => ({
      groupName: 'bench',
      gid: Uint8Array.of(generation >> 8, generation & 255),
      masterSecret: new Uint8Array(16).fill(generation),
      groupEncryption: 10,
      signature: -8,
      aead: 10,
      keyAgreement: -27,
      groupManagerCredential: credential,
      own: { senderId: Uint8Array.of(0), credential, privateKey: own.privateKey },
      members,
    })
    const group = new SecurityGroup(inputOf(0), { clock: systemClock, sequences: volatileSequences() })
    const rounds = 20
    const start = performance.now()
    for (let generation = 1; generation <= rounds; generation++) group.rekey(inputOf(generation))
    const value = (performance.now() - start) / rounds
    group.close()
    return { area: 'oscore', name: `a member takes new keys, group of ${count}`, unit: 'ms', value, baseline: undefined, ratio: undefined }
  })
}
