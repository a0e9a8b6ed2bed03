// The survey of an open site: its settings and readings in the site file, when the air is free, who can be observed, and what it may read of
// directories; and what core adds to it, because no room may: jobs, and another export read by `site/exchange`.
import { AppError, type DeviceId } from '#main/base/index.ts'
import type { Clock, Logger, Random } from '#main/base/index.ts'
import type { ResourceDirectory } from '#main/services/rd/index.ts'
import type { DeviceProfile, Discovery, DiscoveryChannel, Inventory } from '#main/site/devices/index.ts'
import { parseSiteExport } from '#main/site/exchange/index.ts'
import type { GroupEngine, TestBench } from '#main/site/groups/index.ts'
import type { JobService } from '#main/site/jobs/index.ts'
import { createSurvey, differencesOf, takeDifferences } from '#main/site/survey/index.ts'
import type { DirectoryLookups, SiteSnapshot, Survey } from '#main/site/survey/index.ts'
import { createReadingStore } from '#main/store/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import { linkAttribute, parseLinkFormat, formatLinkFormat } from '#main/wire/coap/index.ts'
import { watchSettings } from '#contract/model.ts'
import type { OpOutput, OpParsed } from '#contract/ops.ts'
import { discoveryChannel } from './discovery-channels.ts'
import type { SiteNetwork } from './network.ts'
import { createTableObserver } from './table-observer.ts'
import type { SiteWriter } from './writer.ts'

const SETTINGS = 'driftWatch'
/** More differences than anybody looks at; the total is told. */
const DIFFERENCES_SHOWN = 20_000

export interface SiteSurveyPorts {
  readonly file: SiteFile
  readonly inventory: Inventory
  readonly profiles: readonly DeviceProfile[]
  readonly groups: GroupEngine
  readonly jobs: JobService
  readonly bench: TestBench
  readonly discovery: Discovery
  readonly directory: ResourceDirectory
  readonly network: SiteNetwork
  readonly writer: Pick<SiteWriter, 'refusal'>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

type Op<Name extends 'drift.read' | 'drift.repair' | 'drift.remove' | 'survey.diff' | 'survey.take'> = (
  input: OpParsed<Name>,
) => OpOutput<Name>

export interface SiteSurvey extends Survey {
  readonly readDevices: Op<'drift.read'>
  readonly repair: Op<'drift.repair'>
  readonly removeForeign: Op<'drift.remove'>
  readonly diff: Op<'survey.diff'>
  readonly take: Op<'survey.take'>
}

export function createSiteSurvey(ports: SiteSurveyPorts): SiteSurvey {
  const { file, inventory, profiles, groups, jobs, bench, discovery, directory, network, writer, clock, random, logger } = ports
  const survey = createSurvey({
    store: createReadingStore(file.database),
    settings: {
      load: () => watchSettings.safeParse(file.getMeta(SETTINGS)).data,
      save: (settings) => file.setMeta(SETTINGS, settings),
    },
    devices: inventory,
    groups,
    channels: () => network.channels().map((channel) => askable(discoveryChannel(channel, inventory, directory), inventory)),
    directory: ownDirectory(directory),
    hasTable: (id) => profiles.find((profile) => profile.id === inventory.get(id)?.profileId)?.groupTable !== 'none',
    observer: createTableObserver({ ...ports, clock }),
    // Who is not the writer leaves the devices alone.
    isBusy: () =>
      writer.refusal !== undefined ||
      jobs.feed.rows().some(({ state }) => state === 'running') ||
      bench.feed.rows().some(({ state }) => state === 'sending' || state === 'reading-back') ||
      discovery.feed.rows().some(({ state }) => state === 'running'),
    isClaimed: (id) => ['apply', 'verify'].some((kind) => isQueued(jobs, kind === 'apply' ? 'apply' : 'verify', id)),
    clock,
    random,
    logger,
  })
  const applyJob = (title: string, lineIds: readonly string[]): { jobId: string } => {
    const queued = jobs.queued('apply')
    return { jobId: jobs.start('apply', title, lineIds.length === 0 ? [] : groups.applyItems(lineIds, (subject) => queued.has(subject))) }
  }
  const compared = (text: string) => {
    const there: SiteSnapshot & { readonly site: { readonly name: string } } = parseSiteExport(text)
    return { there, comparison: differencesOf(snapshotOf(inventory, groups), there) }
  }
  return {
    ...survey,
    readDevices: ({ deviceIds }) => {
      const ids = deviceIds ?? [...new Set(groups.membershipFeed.rows().map((row) => row.deviceId))]
      const unknown = ids.find((id) => inventory.get(id) === undefined)
      if (unknown !== undefined) throw new AppError('device.not-found', `No device ${unknown}`, { details: { id: unknown } })
      return { jobId: jobs.start('verify', file.meta().name, groups.identifyItems(ids)) }
    },
    repair: (wish) => applyJob(file.meta().name, survey.repairLines(wish)),
    removeForeign: ({ entries }) => applyJob(file.meta().name, survey.removeEntries(entries)),
    diff: ({ text }) => {
      const { there, comparison } = compared(text)
      const rows = comparison.differences
      return {
        site: there.site.name,
        total: rows.length,
        differences: rows
          .slice(0, DIFFERENCES_SHOWN)
          .map(({ id, kind, change, name, fields }) => ({ id, kind, change, name, fields: [...fields] })),
      }
    },
    take: ({ text, ids }) => {
      const { there, comparison } = compared(text)
      const { taken, left } = file.transaction(() => takeDifferences({ inventory, groups }, there, comparison, ids))
      return { taken, left: [...left] }
    },
  }
}

/** Where there is no multicast at all, devices that are known there are asked one by one. */
function askable(channel: DiscoveryChannel, inventory: Inventory): DiscoveryChannel {
  if (channel.allNodes.length > 0 || channel.known !== undefined) return channel
  const { channelId } = channel.client
  return {
    ...channel,
    known: () => inventory.all().flatMap((device) => (device.channelId === channelId && device.at !== null ? [device.at] : [])),
  }
}

function isQueued(jobs: JobService, kind: 'apply' | 'verify', id: DeviceId): boolean {
  for (const subject of jobs.queued(kind)) if (subject === id || subject.startsWith(`${id} `)) return true
  return false
}

function snapshotOf(inventory: Inventory, groups: GroupEngine): SiteSnapshot {
  const { book } = groups
  return {
    rooms: inventory.rooms(),
    devices: inventory.all(),
    coapGroups: [...book.coap.values()],
    applicationGroups: [...book.groups.values()],
    memberships: groups.membershipFeed.rows(),
  }
}

/** Lookups of the site's own directory, without what this program registered itself: that would be the project finding itself. */
function ownDirectory(directory: ResourceDirectory): DirectoryLookups {
  return {
    async *endpoints(query) {
      const others = parseLinkFormat(directory.lookup('ep', query)).filter((link) => {
        const name = linkAttribute(link, 'ep')
        return typeof name === 'string' && directory.find(name, linkAttribute(link, 'd') ?? undefined)?.source !== undefined
      })
      yield await Promise.resolve(formatLinkFormat(others))
    },
    async *resources(query) {
      yield await Promise.resolve(directory.lookup('res', query))
    },
  }
}
