// Destinations of a site: where what is handed over goes, and the ports behind which they are kept.
import type { PushTargetSettings } from '#contract/model.ts'

/** What is told to nobody: sealed at rest. */
export interface TargetSecrets {
  /** Password, token, or the private key (PEM) of the client certificate. */
  readonly secret?: string
}

export interface StoredTarget {
  readonly id: string
  readonly settings: PushTargetSettings
  /** `TargetSecrets` as JSON, sealed by the program's keyring; undefined where there are none. */
  readonly sealed: Uint8Array | undefined
  readonly createdAt: number
}

/** Something to be delivered, under a name of its own at the destination. */
export interface Parcel {
  readonly name: string
  readonly contentType: string
  readonly bytes: Uint8Array
  readonly sha256: string
}

/** What a destination is known to have under a name. */
export interface Delivered {
  readonly sha256: string
  /** As the destination gave it; null where it gave none. */
  readonly etag: string | null
  readonly at: number
}

/** Port: destinations, what is under way to them and what they have. Every write is durable when the call returns. */
export interface FleetStore {
  targets(): readonly StoredTarget[]
  saveTarget(target: StoredTarget): void
  /** With all that is known of it. */
  removeTarget(id: string): void
  parcel(sha256: string, name: string): Parcel | undefined
  saveParcels(parcels: readonly Parcel[]): void
  /** Keeps those that somebody may still want, by digest. */
  prune(wanted: ReadonlySet<string>): void
  delivered(targetId: string, name: string): Delivered | undefined
  saveDelivered(targetId: string, name: string, delivered: Delivered): void
  /** The newest push to it. */
  lastJob(targetId: string): { readonly jobId: string; readonly revision: number; readonly at: number } | undefined
  saveJob(job: { readonly jobId: string; readonly targetId: string; readonly revision: number; readonly at: number }): void
}

/** How a connection proves who each side is. */
export interface TlsSide {
  /** PEM of the authorities that may vouch for the destination; those of the system unless told. */
  readonly anchors?: string
  readonly client?: { readonly chain: string; readonly key: string }
}

/** What a delivery came to. `unverified`: it was taken, but nothing shows that it is there. */
export interface DeliveryResult {
  readonly outcome: 'confirmed' | 'unverified' | 'unchanged'
  readonly etag: string | null
}
