// The OSCORE contexts that devices share with this tool: sealed at rest, one for each device, in the layer below the exchange. Either end
// may renew its context when it has lost track of what it sent, as this tool has in a copied site file (RFC 8613 Appendix B.2).
import { AppError, decodeCbor, encodeCbor, type Clock, type DeviceId, type Random } from '#main/base/index.ts'
import type { SecretSealer } from '#main/services/group-manager/index.ts'
import type { EnrolmentStore } from '#main/store/index.ts'
import type { RequestSecurity } from '#main/wire/coap/index.ts'
import {
  RenewalClient,
  renewedInput,
  RenewalServer,
  UnicastContext,
  type OscoreLayer,
  type RenewalInput,
  type SequenceStore,
} from '#main/wire/oscore/index.ts'

/** What a device is given, by whichever way it is enrolled. */
export interface DeviceEnrolment {
  readonly masterSecret: Uint8Array
  readonly masterSalt: Uint8Array
  /** The Sender IDs of the device and of this tool. */
  readonly deviceId: Uint8Array
  readonly toolId: Uint8Array
}

export interface EnrolmentPorts {
  readonly store: EnrolmentStore
  readonly sealer: SecretSealer
  readonly layer: OscoreLayer
  readonly sequences: SequenceStore
  readonly clock: Clock
  readonly random: Random
}

const TOOL_SENDER_ID = Uint8Array.of(0x54)
const SECRET_BYTES = 16
const SALT_BYTES = 8
const LARGEST_NUMBER = 0xffffff

/** What is kept of a device: what it was given, and what the last renewal has made of it. */
interface Kept {
  readonly number: number
  readonly enrolment: DeviceEnrolment
  readonly idContext: Uint8Array | undefined
}

export class Enrolments {
  readonly #ports: EnrolmentPorts
  readonly #known = new Map<DeviceId, Kept>()
  readonly #renewals: { readonly client: RenewalClient; readonly server: RenewalServer }
  /** Ends of what lets a device renew its context. */
  readonly #allowed = new Map<DeviceId, () => void>()
  readonly #listeners = new Set<(ids: readonly DeviceId[]) => void>()
  #last = 0

  /** Fails with `security.locked` for what another keyring has sealed. */
  constructor(ports: EnrolmentPorts) {
    this.#ports = ports
    const { layer, sequences, clock, random } = ports
    const renewal = {
      layer,
      sequences,
      clock,
      random,
      onRenewed: (name: string, idContext: Uint8Array) => this.#renewed(name, idContext),
    }
    this.#renewals = { client: new RenewalClient(renewal), server: new RenewalServer(renewal) }
    for (const { deviceId, number, sealed } of ports.store.all()) {
      this.#last = Math.max(this.#last, number)
      const kept: Kept = { number, ...unseal(ports.sealer, sealed) }
      this.#known.set(deviceId, kept)
      this.#install(deviceId, kept, 'unknown')
    }
    layer.renewSendersBy(this.#renewals.client)
    layer.onUnknownContext(this.#renewals.server)
  }

  get size(): number {
    return this.#known.size
  }

  has(deviceId: DeviceId): boolean {
    return this.#known.has(deviceId)
  }

  securityOf(deviceId: DeviceId): RequestSecurity | undefined {
    return this.#known.has(deviceId) ? this.#ports.layer.to(deviceId) : undefined
  }

  /** New keys for a device, for whoever brings them to it; they count once that has been done. */
  draw(): DeviceEnrolment & { readonly number: number } {
    const number = ++this.#last
    if (number > LARGEST_NUMBER) throw new AppError('input.too-large', 'There are no Sender IDs left for devices')
    return {
      number,
      masterSecret: this.#ports.random.bytes(SECRET_BYTES),
      masterSalt: this.#ports.random.bytes(SALT_BYTES),
      // Three bytes: never that of the tool, and every device finds its own.
      deviceId: Uint8Array.of(number >> 16, (number >> 8) & 0xff, number & 0xff),
      toolId: TOOL_SENDER_ID,
    }
  }

  /** Keeps what the device has been given, in place of what it had. */
  keep(deviceId: DeviceId, enrolment: DeviceEnrolment, number = ++this.#last): void {
    const kept: Kept = { number, enrolment, idContext: undefined }
    this.#save(deviceId, kept)
    this.#install(deviceId, kept, 'fresh')
    this.#known.set(deviceId, kept)
    for (const listener of this.#listeners) listener([deviceId])
  }

  remove(deviceIds: readonly DeviceId[]): void {
    const known = deviceIds.filter((id) => this.#known.delete(id))
    for (const id of known) {
      this.#ports.store.remove(id)
      this.#ports.layer.remove(id)
      this.#allowed.get(id)?.()
      this.#allowed.delete(id)
    }
    if (known.length > 0) for (const listener of this.#listeners) listener(known)
  }

  onChange(listener: (ids: readonly DeviceId[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #install(name: DeviceId, { enrolment, idContext }: Kept, received: 'fresh' | 'unknown'): void {
    const { layer, sequences } = this.#ports
    const { masterSecret, masterSalt, deviceId, toolId } = enrolment
    const input: RenewalInput = { name, masterSecret, masterSalt, senderId: toolId, recipientId: deviceId }
    layer.add(new UnicastContext(idContext === undefined ? input : renewedInput(input, idContext), { sequences, received }))
    this.#allowed.get(name)?.()
    const ends = [this.#renewals.client.allow(input), this.#renewals.server.allow(input)]
    this.#allowed.set(name, () => {
      for (const end of ends) end()
    })
  }

  #save(deviceId: DeviceId, { number, enrolment, idContext }: Kept): void {
    const { store, sealer, clock } = this.#ports
    const { masterSecret, masterSalt, deviceId: theirs, toolId } = enrolment
    const parts = [masterSecret, masterSalt, theirs, toolId, ...(idContext === undefined ? [] : [idContext])]
    store.save({ deviceId, number, sealed: sealer.seal(encodeCbor(parts)), enrolledAt: clock.now() })
  }

  /** Kept before the new context is used: after a restart both ends still agree on it. */
  #renewed(name: string, idContext: Uint8Array): void {
    const found = [...this.#known].find(([deviceId]) => deviceId === name)
    if (found === undefined) throw new AppError('oscore.member-unknown', 'The device is not enrolled any more')
    const [deviceId, { number, enrolment }] = found
    const kept: Kept = { number, enrolment, idContext }
    this.#save(deviceId, kept)
    this.#known.set(deviceId, kept)
  }
}

function unseal(sealer: SecretSealer, sealed: Uint8Array): Pick<Kept, 'enrolment' | 'idContext'> {
  let opened: unknown
  try {
    opened = decodeCbor(sealer.open(sealed))
  } catch (cause) {
    throw new AppError('security.locked', 'The keys of the devices are sealed with another keyring', { cause })
  }
  const parts: readonly unknown[] = Array.isArray(opened) ? opened : []
  const [masterSecret, masterSalt, deviceId, toolId, idContext] = parts
  const all = [masterSecret, masterSalt, deviceId, toolId, ...(idContext === undefined ? [] : [idContext])]
  if (
    !all.every((part) => part instanceof Uint8Array) ||
    !(
      masterSecret instanceof Uint8Array &&
      masterSalt instanceof Uint8Array &&
      deviceId instanceof Uint8Array &&
      toolId instanceof Uint8Array
    )
  ) {
    throw new AppError('store.corrupt', 'The keys of a device cannot be read')
  }
  return {
    enrolment: { masterSecret, masterSalt, deviceId, toolId },
    idContext: idContext instanceof Uint8Array ? idContext : undefined,
  }
}
