// Bundles that come in: what they are, the site that is made of one, and the take-over of a site by this program (docs/adr/0012).
import { join } from 'node:path'
import { AppError, sha256, toHex, type Clock, type Random } from '#main/base/index.ts'
import { decryptWith, importInto, openBundle, receiverOf, siteFactsOf, type OpenedBundle } from '#main/site/exchange/index.ts'
import { bringSecurity, createLeaseStore, forgetSender, type NewSite, type SiteFile } from '#main/store/index.ts'
import type { BundleFacts } from '#contract/model.ts'
import type { OpParsed } from '#contract/ops.ts'
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
  const relationOf = ({ document }: OpenedBundle): BundleFacts['relation'] => {
    const seen = openWriters(dataDirectory).seen(document.site.site.id)
    if (seen === undefined) return 'unknown'
    const { epoch } = document.writer
    return epoch > seen.epoch ? 'newer' : epoch < seen.epoch ? 'older' : 'same'
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
      const site = openSite()
      const isOfOpenSite = site?.file.meta().id === document.site.site.id && rootsOf(site).has(signature.rootFingerprint)
      if (isOfOpenSite && site.writer.learn(document.writer)) await reopen()
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
      const { keyring, installation } = await open()
      const writers = openWriters(dataDirectory)
      const seen = writers.seen(document.site.site.id)
      if (takeOver && seen !== undefined && seen.epoch > document.writer.epoch && seen.holder !== installation.self)
        throw new AppError('bundle.older', 'A newer writer of the site is known here', {
          details: { epoch: document.writer.epoch, known: seen.epoch },
        })
      // Opened before anything is made: what cannot be read leaves nothing behind.
      const secrets = takeOver && document.secrets !== null ? decryptWith(installation.key, document.secrets) : undefined
      const { id, kind, details, createdAt, demo } = siteFactsOf(document.site)
      const network = kind === 'network' ? { bindAddress: '::1', coapPort: 5683 } : null
      return createFile({ id, kind, details, demo, network }, (file) => {
        const epoch = Math.max(document.writer.epoch, seen?.epoch ?? 0)
        file.setMeta('createdAt', createdAt)
        importInto(document.site, file)
        if (secrets !== undefined) bringSecurity(file.database, secrets, keyring.sealer)
        // No sequence number goes on that somebody else has counted.
        forgetSender(file.database, `taken-over-${epoch + 1}`)
        createLeaseStore(file.database).saveLease(
          takeOver
            ? { epoch: epoch + 1, holder: installation.self, since: clock.now(), state: 'writer' }
            : { epoch: document.writer.epoch, holder: document.writer.holder, since: Date.parse(document.writer.since), state: 'reader' },
        )
      })
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

/** Roots of the site's authority, as people compare them. */
export function rootsOf(site: { readonly enrolment: { readonly anchors: readonly Uint8Array[] } }): ReadonlySet<string> {
  return new Set(site.enrolment.anchors.map((der) => toHex(sha256(der))))
}
