// How the preflight looks at the machine: files, disk, clock, sockets, directory, printer.
import { statfs } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { dirname } from 'node:path'
import type { Clock } from '#main/base/index.ts'
import type { ResourceDirectory } from '#main/services/rd/index.ts'
import type { Finding, Probes } from '#main/site/overview/index.ts'
import { newestBackup } from '#main/store/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import type { CoapsState } from './coaps.ts'
import { uriOf } from './network-secured.ts'
import { isLoopback } from './network.ts'
import type { SiteNetwork } from './network.ts'
import type { HostServices } from './types.ts'
import type { LinkRow } from '#contract/model.ts'

const LITTLE_DISK_BYTES = 500_000_000
const NO_DISK_BYTES = 20_000_000
/** No site was commissioned with this program before it was written. */
const EARLIEST_CLOCK_MS = Date.UTC(2026, 0, 1)
/** Clocks of laptops drift; more than this backwards is a wrong clock. */
const CLOCK_TOLERANCE_MS = 5 * 60_000

export interface ProbeSubjects {
  readonly file: SiteFile
  readonly clock: Clock
  readonly network: SiteNetwork
  readonly networkFailure: () => string | undefined
  readonly links: () => readonly LinkRow[]
  readonly coaps: () => CoapsState
  readonly directory: ResourceDirectory
  readonly services: HostServices
}

export function createProbes({ file, clock, network, networkFailure, links, coaps, directory, services }: ProbeSubjects): Probes {
  return {
    'site-file': () => {
      const audit = file.audit.verify()
      return audit.ok
        ? { verdict: 'ok', finding: 'sound', params: { entries: audit.entries } }
        : { verdict: 'failed', finding: 'audit-broken', params: { entry: audit.brokenAt } }
    },
    backup: () => {
      const newest = newestBackup(file.path)
      return newest === undefined
        ? { verdict: 'warning', finding: 'none' }
        : { verdict: 'ok', finding: 'present', params: { revision: newest.revision } }
    },
    'disk-space': async () => {
      const disk = await statfs(dirname(file.path))
      const freeBytes = disk.bavail * disk.bsize
      const params = { megabytes: Math.floor(freeBytes / 1_000_000) }
      if (freeBytes < NO_DISK_BYTES) return { verdict: 'failed', finding: 'full', params }
      return freeBytes < LITTLE_DISK_BYTES
        ? { verdict: 'warning', finding: 'little', params }
        : { verdict: 'ok', finding: 'enough', params }
    },
    clock: () => clockFinding(clock.now(), file.audit.page(undefined, 1)[0]?.at ?? 0),
    network: () => {
      const failure = networkFailure()
      if (failure !== undefined) return { verdict: 'failed', finding: 'down', params: { reason: failure } }
      const away = links().find(({ state }) => state !== 'up' && state !== 'closed')
      if (away !== undefined) return { verdict: 'warning', finding: 'dongle-down', params: { name: away.name } }
      return { verdict: 'ok', finding: 'up', params: { channels: network.listening.length } }
    },
    multicast: () => multicastFinding(network),
    coaps: () => coapsFinding(coaps(), network),
    directory: () =>
      network.listening.length === 0
        ? { verdict: 'failed', finding: 'unreachable' }
        : { verdict: 'ok', finding: 'listening', params: { endpoints: directory.size } },
    'report-printer': () => (services.canPrintPdf() ? { verdict: 'ok', finding: 'present' } : { verdict: 'warning', finding: 'none' }),
  }
}

function coapsFinding(state: CoapsState, network: SiteNetwork): Finding {
  if (state.kind === 'no-authority') return { verdict: 'ok', finding: 'no-authority' }
  if (state.kind === 'failed') {
    const isLocked = state.error.code === 'ra.vault-locked' || state.error.code === 'security.locked'
    return { verdict: 'warning', finding: isLocked ? 'locked' : 'down', params: { reason: state.error.message } }
  }
  const places = network.secured()
  const failed = places.find(({ failure }) => failure !== undefined)?.failure
  if (failed !== undefined) return { verdict: 'warning', finding: 'down', params: { reason: failed.message } }
  const uris = places.flatMap(({ local }) => (local === undefined ? [] : uriOf('coaps', local)))
  return { verdict: 'ok', finding: 'up', params: { addresses: uris.join(', ') } }
}

function clockFinding(nowMs: number, lastEntryMs: number): Finding {
  if (nowMs < EARLIEST_CLOCK_MS) return { verdict: 'failed', finding: 'too-early' }
  if (nowMs + CLOCK_TOLERANCE_MS < lastEntryMs) return { verdict: 'failed', finding: 'went-back' }
  return { verdict: 'ok', finding: 'plausible' }
}

/** Group requests need an interface beyond loopback, unless the network is a radio of its own. */
function multicastFinding(network: SiteNetwork): Finding {
  const behind = network.channels().filter(({ kind }) => kind === 'mesh')
  if (behind.some(({ carriesMulticast }) => !carriesMulticast)) return { verdict: 'warning', finding: 'unicast-only' }
  if (behind.length > 0) return { verdict: 'ok', finding: 'radio' }
  const bound = network.listening.map((at) => at.address)
  if (bound.every(isLoopback)) return { verdict: 'warning', finding: 'loopback-only' }
  const known = Object.values(networkInterfaces()).flatMap((entries) => (entries ?? []).map((entry) => entry.address))
  return bound.some((address) => address === '::' || address === '0.0.0.0' || known.includes(address))
    ? { verdict: 'ok', finding: 'interface' }
    : { verdict: 'failed', finding: 'interface-gone' }
}
