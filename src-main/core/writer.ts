// Who writes to the open site: its lease, what stops where somebody else has it, and how it is learned (docs/adr/0012).
import { AppError, KeyedFeed, type Clock } from '#main/base/index.ts'
import { leaseAfter, leaseAtOpening, takeOver, type SeenWriter, type StoredLease } from '#main/site/exchange/index.ts'
import type { JobStore } from '#main/site/jobs/index.ts'
import { createLeaseStore, forgetSender, type SiteFile } from '#main/store/index.ts'
import type { WriterRow } from '#contract/model.ts'
import { rootsOf } from './bundle-trust.ts'
import { openInstallation, openWriters, type Installation, type Writers } from './installation.ts'
import type { Keyring } from './keyring.ts'

export interface SiteWriter {
  readonly feed: KeyedFeed<WriterRow>
  readonly lease: StoredLease
  /** Why nothing may be sent; undefined where this program is the writer. */
  readonly refusal: AppError | undefined
  /** Throws `site.taken-over`. */
  require(): void
  /** Somebody has been seen to write: true where that ends this copy's right, and the site has to be opened again. */
  learn(seen: SeenWriter): boolean
  /** Takes the right, at the next opening, with fresh sender contexts. */
  takeOver(): void
}

export interface WriterPorts {
  readonly file: SiteFile
  readonly installation: Installation | undefined
  readonly writers: Writers
  readonly clock: Clock
}

/** Where the keyring is shut nobody knows who this is; nothing protected is sent then either. */
const NOBODY = 'nobody'

export function createSiteWriter({ file, installation, writers, clock }: WriterPorts): SiteWriter {
  const store = createLeaseStore(file.database)
  const siteId = file.meta().id
  // Asked each time: an authority may be made while the site is open.
  const seen = (): SeenWriter | undefined => writers.seen(siteId, rootsOf(file.database))
  const self = installation?.self ?? NOBODY
  const feed = new KeyedFeed<WriterRow>((row) => row.key)
  const stored = store.lease()
  let lease =
    installation === undefined
      ? (stored ?? { epoch: 1, holder: NOBODY, since: clock.now(), state: 'writer' as const })
      : leaseAtOpening(stored, seen(), self, clock.now())
  /** Also for copies without an authority, as an imported site export is. */
  const note = (writer: SeenWriter): void => {
    const roots = rootsOf(file.database)
    writers.note(siteId, writer, roots)
    if (roots.size > 0) writers.note(siteId, writer, new Set())
  }
  const keep = (next: StoredLease): void => {
    lease = next
    if (installation !== undefined) {
      store.saveLease(lease)
      // Only what this program is, or has learned: a file that was taken in says of itself what it likes.
      if (lease.state === 'writer') note(lease)
    }
    show()
  }
  const refusal = (): AppError | undefined =>
    lease.state === 'writer'
      ? undefined
      : new AppError('site.taken-over', 'Another program writes to this site', { details: { epoch: lease.epoch, holder: lease.holder } })
  const show = (): void => {
    const failure = refusal()
    feed.set({
      key: 'writer',
      self,
      ...lease,
      failure:
        failure === undefined
          ? null
          : { code: failure.code, message: failure.message, retryable: failure.retryable, details: { ...failure.details } },
    })
  }
  try {
    keep(lease)
  } catch (thrown) {
    // What cannot be written now is no reason to keep anybody from the project: the preflight shows what is wrong with the disk.
    if (!(thrown instanceof AppError)) throw thrown
    show()
  }

  return {
    feed,
    get lease() {
      return lease
    },
    get refusal() {
      return refusal()
    },
    require() {
      const failure = refusal()
      if (failure !== undefined) throw failure
    },
    learn(found) {
      note(found)
      const next = leaseAfter(lease, found, self)
      if (next === undefined) return false
      keep(next)
      return true
    },
    takeOver() {
      const next = takeOver(lease, seen(), self, clock.now())
      forgetSender(file.database, `taken-over-${next.epoch}`)
      keep(next)
    },
  }
}

/** Nothing is begun or gone on with by a copy that may not send: every lengthy work on devices is a job. */
export function writersJobs(store: JobStore, writer: Pick<SiteWriter, 'require'>): JobStore {
  return {
    jobs: () => store.jobs(),
    addJob: (job, items) => {
      writer.require()
      store.addJob(job, items)
    },
    saveJob: (job) => store.saveJob(job),
    saveItems: (items) => {
      // Starts are durable before they run: what cannot be stored is not done.
      if (items.some(({ state }) => state === 'running')) writer.require()
      store.saveItems(items)
    },
    items: (jobId, page) => store.items(jobId, page),
    counts: (jobId) => store.counts(jobId),
  }
}

/** The lease of a site that is opened, and the keyring for those who send: a copy that may not write has none to give them. */
export function openWriter(
  file: SiteFile,
  keyring: Keyring | AppError,
  { dataDirectory, clock }: { readonly dataDirectory: string; readonly clock: Clock },
): { readonly writer: SiteWriter; readonly writersKeyring: Keyring | AppError } {
  const installation = keyring instanceof AppError ? undefined : installationOf(dataDirectory, keyring)
  const writer = createSiteWriter({ file, installation, writers: openWriters(dataDirectory), clock })
  return { writer, writersKeyring: writer.refusal ?? keyring }
}

function installationOf(dataDirectory: string, keyring: Keyring): Installation | undefined {
  try {
    return openInstallation(dataDirectory, keyring)
  } catch (thrown) {
    if (thrown instanceof AppError) return undefined
    throw thrown
  }
}
