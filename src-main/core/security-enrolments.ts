// The OSCORE contexts that devices share with this tool: sealed at rest, one for each device, in the layer below the exchange.
import { AppError, decodeCbor, encodeCbor, type Clock, type DeviceId, type Random } from '#main/base/index.ts'
import type { SecretSealer } from '#main/services/group-manager/index.ts'
import type { EnrolmentStore } from '#main/store/index.ts'
import type { RequestSecurity } from '#main/wire/coap/index.ts'
import { UnicastContext, type OscoreLayer, type SequenceStore } from '#main/wire/oscore/index.ts'

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

export class Enrolments {
  readonly #ports: EnrolmentPorts
  readonly #known = new Map<DeviceId, number>()
  readonly #listeners = new Set<(ids: readonly DeviceId[]) => void>()
  #last = 0

  /** Fails with `security.locked` for what another keyring has sealed. */
  constructor(ports: EnrolmentPorts) {
    this.#ports = ports
    for (const { deviceId, number, sealed } of ports.store.all()) {
      this.#last = Math.max(this.#last, number)
      this.#known.set(deviceId, number)
      this.#install(deviceId, unseal(ports.sealer, sealed), 'unknown')
    }
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
    const { store, sealer, clock } = this.#ports
    const { masterSecret, masterSalt, deviceId: theirs, toolId } = enrolment
    store.save({ deviceId, number, sealed: sealer.seal(encodeCbor([masterSecret, masterSalt, theirs, toolId])), enrolledAt: clock.now() })
    this.#install(deviceId, enrolment, 'fresh')
    this.#known.set(deviceId, number)
    for (const listener of this.#listeners) listener([deviceId])
  }

  remove(deviceIds: readonly DeviceId[]): void {
    const known = deviceIds.filter((id) => this.#known.delete(id))
    for (const id of known) {
      this.#ports.store.remove(id)
      this.#ports.layer.remove(id)
    }
    if (known.length > 0) for (const listener of this.#listeners) listener(known)
  }

  onChange(listener: (ids: readonly DeviceId[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #install(name: DeviceId, { masterSecret, masterSalt, deviceId, toolId }: DeviceEnrolment, received: 'fresh' | 'unknown'): void {
    const { layer, sequences } = this.#ports
    layer.add(new UnicastContext({ name, masterSecret, masterSalt, senderId: toolId, recipientId: deviceId }, { sequences, received }))
  }
}

function unseal(sealer: SecretSealer, sealed: Uint8Array): DeviceEnrolment {
  let opened: unknown
  try {
    opened = decodeCbor(sealer.open(sealed))
  } catch (cause) {
    throw new AppError('security.locked', 'The keys of the devices are sealed with another keyring', { cause })
  }
  const parts: readonly unknown[] = Array.isArray(opened) ? opened : []
  const [masterSecret, masterSalt, deviceId, toolId] = parts
  const all = [masterSecret, masterSalt, deviceId, toolId]
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
  return { masterSecret, masterSalt, deviceId, toolId }
}
