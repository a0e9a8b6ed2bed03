// What a site looks like to the systems that run the building: the signed bundle, things, and links, as files and as parcels for a destination.
import { AppError, sha256, toHex, utf8, type Clock, type Random } from '#main/base/index.ts'
import { makeBundle } from './bundle/bundle.ts'
import { BUNDLE_FORMAT, BUNDLE_VERSION } from './bundle/document.ts'
import { canonicalText } from './bundle/canonical.ts'
import { encryptFor } from './bundle/jwe.ts'
import type { Signer } from './bundle/jws.ts'
import { readReceiver } from './bundle/receiver.ts'
import type { SiteDocument } from './document.ts'
import { dittoMessages, dittoModel, DITTO_DEFAULTS } from './fleet/ditto.ts'
import { rdLinks } from './fleet/rd-links.ts'
import { thingDescriptions, type GroupActions } from './fleet/thing-description.ts'
import { siteJson, type ExportedFile } from './serialise.ts'
import { BUNDLE_NAME } from './targets/push.ts'
import type { Parcel, StoredTarget } from './targets/types.ts'

/** Port: what only the core can give to a bundle. */
export interface Packing {
  /** Throws `ra.no-authority`, `ra.vault-locked`, `site.taken-over`. */
  signer(): Promise<Signer>
  writer(): { readonly epoch: number; readonly holder: string; readonly since: number }
  /** Keys and contexts that whoever takes the site over needs. Throws `security.locked`. */
  secrets(): Uint8Array
  /** Differs when they differ, and tells nothing of them. Throws `security.locked`. */
  secretsMark(): string
  readonly groupActions: GroupActions
}

export interface PackPorts {
  readonly packing: Packing
  readonly clock: Clock
  readonly random: Random
}

export interface Snapshot {
  readonly document: SiteDocument
  readonly revision: number
}

export type FleetFormat = 'bundle' | 'td' | 'ditto' | 'rd-links'

/** Secrets are in a bundle only where a receiver is named, and only that one can read them. */
export async function packBundle({ document, revision }: Snapshot, receiver: string | undefined, ports: PackPorts): Promise<Uint8Array> {
  const { packing, clock, random } = ports
  const { epoch, holder, since } = packing.writer()
  // The key is looked at before any secret is.
  const key = receiver === undefined ? undefined : readReceiver(receiver)
  const secrets = key === undefined ? null : await encryptFor(key, packing.secrets(), random)
  const writer = { epoch, holder, since: new Date(since).toISOString() }
  const bundle = { format: BUNDLE_FORMAT, version: BUNDLE_VERSION, revision, writer, site: document, secrets } as const
  return makeBundle(bundle, await packing.signer(), clock.now())
}

export async function fleetFiles(
  format: FleetFormat,
  snapshot: Snapshot,
  receiver: string | undefined,
  ports: PackPorts,
): Promise<readonly ExportedFile[]> {
  const { document } = snapshot
  switch (format) {
    case 'bundle':
      return [{ ending: '-bundle.json', bytes: await packBundle(snapshot, receiver, ports) }]
    case 'td':
      return [{ ending: '-things.td.json', bytes: pretty(thingDescriptions(document, ports.packing.groupActions)) }]
    case 'ditto': {
      const model = dittoModel(document)
      return [
        { ending: '-ditto.json', bytes: pretty(model) },
        { ending: '-ditto-messages.json', bytes: pretty(dittoMessages(model)) },
      ]
    }
    case 'rd-links':
      return [{ ending: '-links.wlnk', bytes: utf8(rdLinks(document)) }]
  }
}

/**
 * What a destination is sent. The same site gives the same parcels, so that what has arrived need not go again; the digest of a bundle is
 * that of its content, because signatures and encryption differ each time.
 */
export async function parcelsFor({ settings }: StoredTarget, snapshot: Snapshot, ports: PackPorts): Promise<readonly Parcel[]> {
  const { document } = snapshot
  const over = settings.kind === 'mqtt' ? `${document.site.id}/` : ''
  switch (settings.content) {
    case 'bundle': {
      const { receiver } = settings
      // A signer that is made only now is a change of keys itself.
      await ports.packing.signer()
      // Marked first: keys that change meanwhile are sent once more rather than never.
      const secrets = receiver === null ? null : ports.packing.secretsMark()
      const bytes = await packBundle(snapshot, receiver ?? undefined, ports)
      const { epoch, holder } = ports.packing.writer()
      const content = canonicalText({ site: document, revision: snapshot.revision, epoch, holder, receiver, secrets })
      return [{ name: `${over}${BUNDLE_NAME}`, contentType: 'application/jose+json', bytes, sha256: toHex(sha256(utf8(content))) }]
    }
    case 'json':
      return [parcel(`${over}site`, 'application/json', siteJson(document))]
    case 'td':
      return thingDescriptions(document, ports.packing.groupActions).map((thing) =>
        parcel(`${over}${thing.id}`, 'application/td+json', utf8(canonicalText(thing))),
      )
    case 'ditto': {
      const model = dittoModel(document, { ...DITTO_DEFAULTS, ...settings.ditto })
      if (settings.kind === 'mqtt')
        return dittoMessages(model).map((message) =>
          parcel(`${over}${message.topic}`, 'application/vnd.eclipse.ditto+json', utf8(canonicalText(message))),
        )
      const { policy, things } = model
      return [
        parcel(`api/2/policies/${policy.policyId}`, 'application/json', utf8(canonicalText({ entries: policy.entries }))),
        ...things.map(({ thingId, policyId, attributes, features }) =>
          parcel(`api/2/things/${thingId}`, 'application/json', utf8(canonicalText({ policyId, attributes, features }))),
        ),
      ]
    }
  }
}

function parcel(name: string, contentType: string, bytes: Uint8Array): Parcel {
  if (name.includes(' ')) throw new AppError('internal', 'A parcel has a name without spaces')
  return { name, contentType, bytes, sha256: toHex(sha256(bytes)) }
}

function pretty(value: unknown): Uint8Array {
  return utf8(`${JSON.stringify(value, null, 2)}\n`)
}
