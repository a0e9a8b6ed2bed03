// Destinations of the open site and pushes to them, and what the exchange needs of the rest of the site to pack it.
import { AppError, fromHex, HmacSha256, KeyedFeed, newId, toAppError, toHex, utf8, utf8ToText } from '#main/base/index.ts'
import type { Clock, Logger, Random } from '#main/base/index.ts'
import type { DeviceProfile, Inventory } from '#main/site/devices/index.ts'
import {
  openBundle,
  Pushes,
  readReceiver,
  subjectOf,
  type Exchange,
  type GroupAction,
  type Packing,
  type StoredTarget,
  type TargetSecrets,
} from '#main/site/exchange/index.ts'
import type { GroupEngine } from '#main/site/groups/index.ts'
import type { JobService } from '#main/site/jobs/index.ts'
import { createFleetStore, takeSecurity, type SiteFile } from '#main/store/index.ts'
import type { PushTargetRow, PushTargetSettings } from '#contract/model.ts'
import { ACCESS_META } from './access.ts'
import { isOurs } from './bundle-trust.ts'
import type { SiteEnrolment } from './enrolment.ts'
import { openSigner } from './fleet-signer.ts'
import type { Keyring } from './keyring.ts'
import type { SiteWriter } from './writer.ts'

export interface SiteFleet {
  readonly feed: KeyedFeed<PushTargetRow>
  /** Throws `input.invalid` for a receiver's key that is none, `push.target-unknown`, `security.locked`. */
  save(id: string | undefined, settings: PushTargetSettings, secret: string | undefined): string
  remove(id: string): void
  /** Throws `push.*`. */
  test(id: string): Promise<void>
  /** Fixes what is sent and starts the job. Throws what packing throws, `site.taken-over`. */
  push(id: string, redact: boolean): Promise<string>
  close(): void
}

export interface FleetPorts {
  readonly file: SiteFile
  readonly keyring: Keyring | AppError
  readonly writer: SiteWriter
  readonly jobs: JobService
  readonly exchange: Pick<Exchange, 'parcels'>
  /** Looks at a bundle of somebody; throws `site.taken-over` where that ends this copy's right. */
  readonly compare: (text: string) => Promise<void>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

const MOST_TARGETS = 50

export function createSiteFleet(ports: FleetPorts): SiteFleet {
  const { file, keyring, writer, jobs, exchange, clock, random } = ports
  const store = createFleetStore(file.database)
  const feed = new KeyedFeed<PushTargetRow>((row) => row.id)
  const sealer = (): Keyring['sealer'] => {
    if (keyring instanceof AppError) throw keyring
    return keyring.sealer
  }
  const unseal = (sealed: Uint8Array): TargetSecrets => ({ secret: utf8ToText(sealer().open(sealed)) ?? '' })
  const pushes = new Pushes({ ...ports, store, unseal })
  jobs.register(pushes.runner)

  const rowOf = ({ id, settings, sealed }: StoredTarget): PushTargetRow => {
    const last = store.lastJob(id)
    const job = last === undefined ? undefined : jobs.feed.get(last.jobId)
    const isDone = job?.state === 'done' && job.counts.failed + job.counts.warning === 0
    const state = job?.state === 'running' ? ('running' as const) : isDone ? ('confirmed' as const) : ('incomplete' as const)
    return { id, settings, hasSecret: sealed !== undefined, last: last === undefined ? null : { ...last, state } }
  }
  const show = (): void => {
    const rows = store.targets().map(rowOf)
    feed.setAll(rows)
    const known = new Set(rows.map(({ id }) => id))
    feed.delete(feed.keys().filter((id) => !known.has(id)))
  }
  const targetOf = (id: string): StoredTarget => {
    const target = store.targets().find((each) => each.id === id)
    if (target === undefined) throw new AppError('push.target-unknown', 'There is no such destination')
    return target
  }
  const endJobs = jobs.feed.subscribe((ids) => {
    if (ids.some((id) => jobs.feed.get(id)?.kind === 'push')) show()
  })
  show()

  return {
    feed,
    save(id, settings, secret) {
      if (settings.receiver !== null) readReceiver(settings.receiver)
      const before = id === undefined ? undefined : targetOf(id)
      if (before === undefined && store.targets().length >= MOST_TARGETS)
        throw new AppError('input.too-large', 'There are too many destinations', { details: { limit: MOST_TARGETS } })
      // A secret is for whom it was given, and in the way it was given.
      const kept = before !== undefined && doorOf(before.settings) === doorOf(settings) ? before.sealed : undefined
      const sealed = secret === undefined ? kept : secret === '' ? undefined : sealer().seal(utf8(secret))
      // What another place had says nothing of this one.
      const isElsewhere = before !== undefined && before.settings.url !== settings.url
      if (isElsewhere) store.removeTarget(before.id)
      const target = { id: before?.id ?? newId('target', random), settings, sealed, createdAt: before?.createdAt ?? clock.now() }
      store.saveTarget(target)
      show()
      return target.id
    },
    remove(id) {
      store.removeTarget(targetOf(id).id)
      show()
    },
    async test(id) {
      const { settings, sealed } = targetOf(id)
      await pushes.test(settings, sealed === undefined ? {} : unseal(sealed))
    },
    async push(id, redact) {
      writer.require()
      const target = targetOf(id)
      const { parcels, revision } = await exchange.parcels(target, redact)
      const queued = [...jobs.queued('push')].map((subject) => subject.split(' ')[1] ?? '')
      store.prune(new Set([...queued, ...parcels.map(({ sha256 }) => sha256)]))
      store.saveParcels(parcels)
      const items = parcels.map((parcel) => ({ subject: subjectOf(id, parcel), label: parcel.name }))
      const jobId = jobs.start('push', target.settings.name, items)
      store.saveJob({ jobId, targetId: id, revision, at: clock.now() })
      show()
      return jobId
    },
    close() {
      endJobs()
      pushes.close()
    },
  }
}

/** Who is let to see a secret, and what as. */
function doorOf({ kind, url, auth }: PushTargetSettings): string {
  const { protocol, host } = new URL(url)
  return `${kind} ${protocol}//${host} ${auth}`
}

export interface PackingPorts {
  readonly file: SiteFile
  readonly keyring: Keyring | AppError
  readonly writer: SiteWriter
  readonly enrolment: () => Pick<SiteEnrolment, 'parts' | 'failure'>
  readonly profiles: readonly DeviceProfile[]
  readonly inventory: Pick<Inventory, 'get'>
  readonly groups: Pick<GroupEngine, 'book'>
  readonly clock: Clock
  readonly random: Random
}

const MARK_KEY = 'secretsMarkKey'
const MARK_KEY_BYTES = 32

export function createPacking(ports: PackingPorts): Packing {
  const { file, keyring, writer, enrolment, profiles, inventory, groups, clock } = ports
  const sealer = (): Keyring['sealer'] => {
    writer.require()
    if (keyring instanceof AppError) throw keyring
    return keyring.sealer
  }
  const secrets = (): Uint8Array => takeSecurity(file.database, sealer(), JSON.stringify(file.getMeta(ACCESS_META) ?? null))
  return {
    async signer() {
      writer.require()
      const { parts, failure } = enrolment()
      if (parts === undefined) throw failure ?? new AppError('ra.vault-locked', 'The keys of the authority cannot be opened')
      return openSigner(file, parts, clock)
    },
    writer: () => writer.lease,
    secrets,
    secretsMark() {
      const key = new HmacSha256(markKey(file, sealer(), ports.random))
      return toHex(key.of(secrets()))
    },
    groupActions: (groupId) => actionsOf(groupId, { profiles, inventory, groups }),
  }
}

/**
 * Kept sealed: digests go along with what is delivered, and nobody is to try guessed secrets against them. A key that another program sealed
 * is drawn anew.
 */
function markKey(file: SiteFile, sealer: Keyring['sealer'], random: Random): Uint8Array {
  const kept = file.getMeta(MARK_KEY)
  const sealed = typeof kept === 'string' ? fromHex(kept) : undefined
  if (sealed !== undefined) {
    try {
      return sealer.open(sealed)
    } catch (thrown) {
      if (!(thrown instanceof AppError)) throw thrown
    }
  }
  const key = random.bytes(MARK_KEY_BYTES)
  file.setMeta(MARK_KEY, toHex(sealer.seal(key)))
  return key
}

/** What the profiles of the members send to a group; of two that call it the same, the first. */
function actionsOf(
  groupId: string,
  { profiles, inventory, groups }: Pick<PackingPorts, 'profiles' | 'inventory' | 'groups'>,
): readonly GroupAction[] {
  const { book } = groups
  const group = book.groups.get(groupId)
  const coap = group === undefined ? undefined : book.coapGroup(group.coapGroupId)
  if (group === undefined || coap === undefined) return []
  const members = book.cellsOfGroup(groupId).flatMap((cell) => (cell.desired ? (inventory.get(cell.deviceId) ?? []) : []))
  const found = new Map<string, GroupAction>()
  for (const profile of profiles.filter(({ id }) => members.some((member) => member.profileId === id))) {
    for (const action of profile.actions) {
      if (found.has(action.id) || !members.some(({ type }) => action.types.includes(type))) continue
      const request = profile.groupRequest(action.id, { name: group.name, address: coap.address, port: coap.port })
      if (request === undefined || (request.method !== 'PUT' && request.method !== 'POST')) continue
      const path = `/${request.path.map(encodeURIComponent).join('/')}`
      found.set(action.id, { id: action.id, title: action.label, method: request.method, path, contentType: 'application/json' })
    }
  }
  return [...found.values()]
}

export interface ComparePorts {
  readonly siteId: string
  readonly writer: SiteWriter
  readonly database: SiteFile['database']
  /** Called where the right has ended: the site has to be opened again. */
  readonly ended: () => void
  readonly logger: Logger
}

/** What a bundle of this site says of who writes. Somebody else's word counts only under the site's own authority. */
export async function compareBundle(text: string, { siteId, database, writer, ended, logger }: ComparePorts): Promise<void> {
  let found
  try {
    found = await openBundle(text)
    if (found.document.site.site.id !== siteId || !isOurs(database, found)) return
  } catch (thrown) {
    // Something else lies there: the delivery itself tells what becomes of it.
    logger.info({ code: toAppError(thrown).code }, 'what a destination holds is no bundle that counts')
    return
  }
  if (writer.learn(found.document.writer)) {
    ended()
    writer.require()
  }
}
