// Bundles that come in: what they are, the site that is made of one, and the take-over of a site by this program (docs/adr/0012).
import { join } from 'node:path'
import { AppError, type Clock, type Random } from '#main/base/index.ts'
import {
  decryptWith,
  importInto,
  openBundle,
  outranks,
  receiverOf,
  siteFactsOf,
  type OpenedBundle,
  type SeenWriter,
  type StoredLease,
} from '#main/site/exchange/index.ts'
import { requireKeyRoles } from '#main/site/access/index.ts'
import { bringSecurity, createLeaseStore, forgetSender, type NewSite, type SiteFile } from '#main/store/index.ts'
import type { BundleFacts } from '#contract/model.ts'
import type { OpParsed } from '#contract/ops.ts'
import { bringAccess } from './access.ts'
import { isOurs } from './bundle-trust.ts'
import { openInstallation, openWriters, type Installation } from './installation.ts'
import { openProgramKeyring, type Keyring } from './keyring.ts'
import type { OpenSite } from './open-site-types.ts'
import type { CoreOptions } from './types.ts'

export interface BundleDesk {
  /** Throws `security.locked`. */
  receiverKey(): Promise<{ readonly jwk: string; readonly thumbprint: string }>
  /** Throws `bundle.*`, `import.*`. */
  inspect(text: string): Promise<BundleFacts>
  /** Throws `bundle.*`, `import.*`, `security.locked`, `site.name-taken`, `store.*`. */
  importBundle(input: OpParsed<'fleet.importBundle'>): Promise<string>
  /** Throws `site.none-open`, `security.locked`. */
  takeOver(): Promise<void>
}

export interface BundlePorts {
  readonly options: Pick<CoreOptions, 'dataDirectory' | 'keyring'> & { readonly clock: Clock; readonly random: Random }
  readonly openSite: () => OpenSite | undefined
  readonly createFile: (site: NewSite, fill: (file: SiteFile) => void) => Promise<string>
  /** Closes the open site and opens it again. */
  readonly reopen: () => Promise<void>
}

export function createBundleDesk({ options, openSite, createFile, reopen }: BundlePorts): BundleDesk {
  const { dataDirectory, random, clock } = options
  const openKeyring = (): Promise<Keyring> => openProgramKeyring({ path: join(dataDirectory, 'keyring.json'), random, ...options.keyring })
  const open = async (): Promise<{ readonly keyring: Keyring; readonly installation: Installation }> => {
    const keyring = await openKeyring()
    return { keyring, installation: openInstallation(dataDirectory, keyring) }
  }
  /** The open site, where the bundle is of it: by its id, and under its own authority. Throws `bundle.signer-untrusted`. */
  const ofOpenSite = (bundle: OpenedBundle): OpenSite | undefined => {
    const site = openSite()
    return site?.file.meta().id === bundle.document.site.site.id && isOurs(site.file.database, bundle) ? site : undefined
  }
  /** What is known of the site's writer under the root of the bundle. */
  const seenOf = (bundle: OpenedBundle): SeenWriter | undefined => {
    const { document, signature } = bundle
    const seen = openWriters(dataDirectory).seen(document.site.site.id, new Set([signature.rootFingerprint]))
    const lease = ofOpenSite(bundle)?.writer.lease
    return lease === undefined || (seen !== undefined && outranks(seen, lease)) ? seen : lease
  }
  const relationOf = (bundle: OpenedBundle): BundleFacts['relation'] => {
    const seen = seenOf(bundle)
    if (seen === undefined) return 'unknown'
    const { epoch, holder } = bundle.document.writer
    if (epoch === seen.epoch) return holder === seen.holder ? 'same' : 'conflict'
    return epoch > seen.epoch ? 'newer' : 'older'
  }

  return {
    async receiverKey() {
      const { jwk, self } = (await open()).installation
      return { jwk, thumbprint: self }
    },
    async inspect(text) {
      const bundle = await openBundle(text)
      const { document, signature } = bundle
      const relation = relationOf(bundle)
      // Read before, so that a keyring that is shut keeps nobody from looking.
      const self = await open().then(
        ({ installation }) => installation.self,
        () => undefined,
      )
      if (ofOpenSite(bundle)?.writer.learn(document.writer) === true) await reopen()
      const receiver = document.secrets === null ? undefined : receiverOf(document.secrets)
      return {
        siteId: document.site.site.id,
        siteName: document.site.site.name,
        revision: document.revision,
        devices: document.site.devices.length,
        groups: document.site.applicationGroups.filter(({ retired }) => !retired).length,
        ...signature,
        epoch: document.writer.epoch,
        holder: document.writer.holder,
        secrets: document.secrets === null ? 'none' : receiver !== undefined && receiver === self ? 'ours' : 'others',
        relation,
      }
    },
    async importBundle({ text, root, takeOver }) {
      const bundle = await openBundle(text)
      const { document, signature } = bundle
      if (signature.rootFingerprint !== root)
        throw new AppError('bundle.root-differs', 'The bundle is signed under another authority than was compared', {
          details: { expected: root, found: signature.rootFingerprint },
        })
      // What goes on as the open site has its roles, whoever signed it.
      const current = openSite()
      if (takeOver && current?.file.meta().id === document.site.site.id) requireKeyRoles(current.access)
      const { keyring, installation } = await open()
      const seen = seenOf(bundle)
      if (takeOver && seen !== undefined && outranks(seen, document.writer) && seen.holder !== installation.self)
        throw new AppError('bundle.older', 'A newer writer of the site is known here', {
          details: { epoch: document.writer.epoch, known: seen.epoch },
        })
      // Opened before anything is made: what cannot be read leaves nothing behind.
      const secrets = takeOver && document.secrets !== null ? decryptWith(installation.key, document.secrets) : undefined
      const { id, kind, details, createdAt, demo } = siteFactsOf(document.site)
      const network = kind === 'network' ? { bindAddress: '::1', coapPort: 5683 } : null
      const since = Date.parse(document.writer.since)
      const lease: StoredLease = takeOver
        ? { epoch: Math.max(document.writer.epoch, seen?.epoch ?? 0) + 1, holder: installation.self, since: clock.now(), state: 'writer' }
        : { ...document.writer, since, state: 'reader' }
      const handle = await createFile({ id, kind, details, demo, network }, (file) => {
        file.setMeta('createdAt', createdAt)
        importInto(document.site, file)
        if (secrets !== undefined) bringAccess(file, bringSecurity(file.database, secrets, keyring.sealer))
        // No sequence number goes on that somebody else has counted.
        forgetSender(file.database, `taken-over-${lease.epoch}`)
        createLeaseStore(file.database).saveLease(lease)
      })
      // Under this root alone: what a bundle says of its site ends no site of another authority.
      openWriters(dataDirectory).note(id, lease, new Set([signature.rootFingerprint]))
      return handle
    },
    async takeOver() {
      const site = openSite()
      if (site === undefined) throw new AppError('site.none-open', 'No site is open')
      // Throws where nobody could be named as the writer.
      await open()
      site.writer.takeOver()
      await reopen()
    },
  }
}
