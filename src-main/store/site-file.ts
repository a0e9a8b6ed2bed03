// A site is one SQLite file: creates it, opens it with every check, and hands out its stores.
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { SiteDetails } from '#contract/model.ts'
import type { Clock, JsonValue, Logger } from '#main/base/index.ts'
import { AppError } from '#main/base/index.ts'
import type { DeviceStore } from '#main/site/devices/index.ts'
import type { ExportStore } from '#main/site/exchange/index.ts'
import type { GroupStore, SecurityStore } from '#main/site/groups/index.ts'
import type { HistoryStore } from '#main/site/history/index.ts'
import type { JobStore } from '#main/site/jobs/index.ts'
import type { TemplateStore } from '#main/site/templates/index.ts'
import { createAuditLog, type AuditLog } from './audit.ts'
import { newestBackup, writeBackup } from './backups.ts'
import { createDeviceStore } from './devices.ts'
import { createExportStore } from './exports.ts'
import { createGroupStore } from './groups.ts'
import { createHistoryStore } from './history.ts'
import { corrupt, inspectSiteFile } from './inspect.ts'
import { createJobStore } from './jobs.ts'
import { MetaStore, readSummary, type NewSite, type SiteMeta, type SiteSummary } from './meta.ts'
import { CURRENT_VERSION, fileVersion, migrate, refuseNewer } from './migrate.ts'
import { createSecurityStore } from './security.ts'
import { createTemplateStore } from './templates.ts'
import { APPLICATION_ID, connect, inMemory, SiteDatabase, type Database } from './site-database.ts'
import { lockSite, type SiteLock } from './site-lock.ts'
import { guarded } from './sqlite-failure.ts'

export interface StorePorts {
  readonly clock: Clock
  readonly logger: Logger
  /** Version of this program, for the file's record of its maker. */
  readonly appVersion: string
  /** Length of the backup ring, 5 unless told. */
  readonly backupsToKeep?: number
}

export interface SiteFile {
  readonly path: string
  /** Grows inside every transaction that changes rooms, devices, groups, desired memberships or the site's details. */
  readonly revision: number
  readonly devices: DeviceStore
  readonly groups: GroupStore
  readonly security: SecurityStore
  readonly jobs: JobStore
  readonly audit: AuditLog
  readonly exports: ExportStore
  readonly history: HistoryStore
  readonly templates: TemplateStore
  /** The connection, for the stores that are made apart from this file. */
  readonly database: Database
  meta(): SiteMeta
  setDetails(details: SiteDetails): void
  getMeta(key: string): JsonValue | undefined
  /** Keys that begin so, with their values. */
  metaUnder(prefix: string): ReadonlyMap<string, JsonValue>
  setMeta(key: string, value: JsonValue): void
  bumpRevision(): void
  onRevision(listener: () => void): () => void
  transaction<Result>(work: () => Result): Result
  /** Writes a complete, durable copy into the ring beside the file and gives its path. */
  backup(reason: string): string
  /** Idempotent; lets go of the lock. */
  close(): void
}

const BACKUPS_TO_KEEP = 5

/**
 * Sites that this process has open. Invariant: their files are not opened past SQLite, because closing any descriptor of a
 * file drops all POSIX locks that the process has on it.
 */
const openHere = new Set<string>()

/** Makes a new site file and opens it. Throws `site.name-taken` where something has that name, `site.locked`, `store.*`. */
export function createSiteFile(path: string, site: NewSite, ports: StorePorts): SiteFile {
  guarded(() => mkdirSync(dirname(path), { recursive: true }))
  const place = join(
    guarded(() => realpathSync(dirname(path))),
    basename(path),
  )
  if (existsSync(place)) throw nameTaken()
  const lock = lockSite(place)
  const partial = `${place}.partial`
  try {
    guarded(() => rmSync(partial, { force: true }))
    writeNewSite(partial, site, ports)
    moveIntoPlace(partial, place)
    return openLocked(place, lock, ports)
  } catch (thrown) {
    removeQuietly(partial)
    lock.release()
    throw thrown
  }
}

/**
 * Opens a site file for this process alone. Throws `site.not-found`, `site.locked`, `store.not-a-site`, `store.newer-version`,
 * `store.corrupt` (details name the newest backup), `store.read-only`, `store.disk-full`, `store.io`.
 */
export function openSiteFile(path: string, ports: StorePorts): SiteFile {
  if (!existsSync(path)) throw new AppError('site.not-found', 'The site file does not exist')
  const place = guarded(() => realpathSync(path))
  if (openHere.has(place)) {
    throw new AppError('site.locked', 'This process has the site open', { details: { pid: process.pid, host: hostname() } })
  }
  inspectSiteFile(place)
  requireWritable(place)
  const lock = lockSite(place)
  try {
    return openLocked(place, lock, ports)
  } catch (thrown) {
    lock.release()
    throw thrown
  }
}

/** Name and kind of a site file, open elsewhere or not; undefined where it is none that can be read. */
export function peekSiteFile(path: string): SiteSummary | undefined {
  try {
    const place = realpathSync(path)
    if (!openHere.has(place)) inspectSiteFile(place)
    const raw = lookAt(place)
    try {
      refuseNewer(raw)
      return readSummary(raw)
    } finally {
      raw.close()
    }
  } catch {
    return undefined
  }
}

/** Without a write-ahead log nobody has the file open: then a copy in memory is read, and no log is put beside the file. */
function lookAt(path: string): Database {
  if (openHere.has(path) || existsSync(`${path}-wal`)) return connect(path, { mustExist: true, readonly: true })
  return guarded(() => inMemory(readFileSync(path)))
}

function writeNewSite(path: string, site: NewSite, ports: StorePorts): void {
  const raw = connect(path, { mustExist: false })
  try {
    // In the header before anything else, and outside the write-ahead log: a file is told by its first bytes.
    guarded(() => raw.pragma(`application_id = ${APPLICATION_ID}`))
    migrate(raw)
    new MetaStore(new SiteDatabase(raw)).create(site, ports.clock.now(), ports.appVersion)
  } finally {
    raw.close()
  }
}

/** Never writes over a file that somebody else put there in the meantime. */
function moveIntoPlace(partial: string, place: string): void {
  if (existsSync(place)) throw nameTaken()
  guarded(() => {
    try {
      linkSync(partial, place)
    } catch (thrown) {
      if (thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST') throw nameTaken()
      // A file system without hard links (FAT on a stick).
      renameSync(partial, place)
      return
    }
    rmSync(partial)
  })
}

function openLocked(path: string, lock: SiteLock, ports: StorePorts): SiteFile {
  const raw = connect(path, { mustExist: true })
  try {
    check(raw, path)
    const keep = Math.max(1, ports.backupsToKeep ?? BACKUPS_TO_KEEP)
    const version = fileVersion(raw)
    if (version < CURRENT_VERSION) {
      writeBackup(raw, path, `before-version-${CURRENT_VERSION}`, 0, keep)
      migrate(raw)
      ports.logger.info({ from: version, to: CURRENT_VERSION }, 'site file migrated')
    }
    const site = new OpenSiteFile(path, raw, lock, ports, keep)
    backupIfChanged(site, ports.logger)
    return site
  } catch (thrown) {
    raw.close()
    openHere.delete(path)
    throw thrown
  }
}

function check(raw: Database, path: string): void {
  try {
    guarded(() => {
      raw.pragma('journal_mode = WAL')
      raw.pragma('synchronous = FULL')
      raw.pragma('foreign_keys = ON')
      raw.pragma('trusted_schema = OFF')
    })
    refuseNewer(raw)
    const verdict: unknown = guarded(() => raw.pragma('quick_check(1)', { simple: true }))
    if (verdict !== 'ok') throw new AppError('store.corrupt', String(verdict))
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'store.corrupt') throw corrupt(path, thrown.message, thrown)
    throw thrown
  }
}

/** The ring holds different revisions: opening a file many times does not push out what is older. A full disk keeps nobody out. */
function backupIfChanged(site: SiteFile, logger: Logger): void {
  try {
    if (newestBackup(site.path)?.revision !== site.revision) site.backup('opened')
  } catch (failure) {
    logger.warn({ failure }, 'the site was opened without a backup')
  }
}

function requireWritable(path: string): void {
  guarded(() => {
    accessSync(dirname(path), constants.W_OK)
    closeSync(openSync(path, 'r+'))
  })
}

function nameTaken(): AppError {
  return new AppError('site.name-taken', 'There is a file of that name')
}

function removeQuietly(path: string): void {
  for (const leftover of [path, `${path}-journal`]) rmSync(leftover, { force: true })
}

class OpenSiteFile implements SiteFile {
  readonly path: string
  readonly devices: DeviceStore
  readonly groups: GroupStore
  readonly security: SecurityStore
  readonly jobs: JobStore
  readonly audit: AuditLog
  readonly exports: ExportStore
  readonly history: HistoryStore
  readonly templates: TemplateStore
  readonly database: Database
  readonly #site: SiteDatabase
  readonly #meta: MetaStore
  readonly #lock: SiteLock
  readonly #keep: number

  constructor(path: string, raw: Database, lock: SiteLock, ports: StorePorts, keep: number) {
    this.path = path
    this.database = raw
    this.#site = new SiteDatabase(raw)
    this.#meta = new MetaStore(this.#site)
    this.#lock = lock
    this.#keep = keep
    this.devices = createDeviceStore(this.#site)
    this.groups = createGroupStore(this.#site)
    this.security = createSecurityStore(this.#site)
    this.jobs = createJobStore(this.#site)
    this.audit = createAuditLog(this.#site, ports.clock)
    this.exports = createExportStore(this.#site)
    this.history = createHistoryStore(this.#site)
    this.templates = createTemplateStore(this.#site)
    openHere.add(path)
  }

  get revision(): number {
    return this.#site.revision
  }

  meta(): SiteMeta {
    return this.#meta.site()
  }

  setDetails(details: SiteDetails): void {
    this.#meta.setDetails(details)
  }

  getMeta(key: string): JsonValue | undefined {
    return this.#meta.get(key)
  }

  metaUnder(prefix: string): ReadonlyMap<string, JsonValue> {
    return this.#meta.under(prefix)
  }

  setMeta(key: string, value: JsonValue): void {
    this.#meta.set(key, value)
  }

  bumpRevision(): void {
    this.#site.bumpRevision()
  }

  onRevision(listener: () => void): () => void {
    return this.#site.onRevision(listener)
  }

  transaction<Result>(work: () => Result): Result {
    return this.#site.transaction(work)
  }

  backup(reason: string): string {
    return writeBackup(this.database, this.path, reason, this.revision, this.#keep)
  }

  close(): void {
    if (!this.database.open) return
    this.database.close()
    openHere.delete(this.path)
    this.#lock.release()
  }
}
