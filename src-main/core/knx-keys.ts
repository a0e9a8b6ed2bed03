// Keys of KNX IoT devices and groups, sealed in the site file: the tool is the one that can open the devices again.
import { AppError, decodeCbor, encodeCbor, fromHex, toHex, type Random } from '#main/base/index.ts'
import type { SecretSealer } from '#main/services/group-manager/index.ts'
import type { SerialNumber } from '#main/site/devices/index.ts'
import type { SiteFile } from '#main/store/index.ts'

export interface KnxKeys {
  readonly senderId: Uint8Array
  readonly masterSecret: Uint8Array
}

const SECRET_BYTES = 16
/** Of seven bytes at most; the device's name for the tool. */
const SENDER_ID_BYTES = 6
const GROUP_SENDER = 0x47

export class KnxKeyStore {
  readonly #file: Pick<SiteFile, 'getMeta' | 'setMeta'>
  readonly #sealer: SecretSealer
  readonly #random: Random

  constructor(file: Pick<SiteFile, 'getMeta' | 'setMeta'>, sealer: SecretSealer, random: Random) {
    this.#file = file
    this.#sealer = sealer
    this.#random = random
  }

  /** Fresh, and not kept yet: `keepDevice` does when the device has them. */
  drawDevice(): KnxKeys {
    return { senderId: this.#random.bytes(SENDER_ID_BYTES), masterSecret: this.#random.bytes(SECRET_BYTES) }
  }

  keepDevice(serialNumber: SerialNumber, keys: KnxKeys): void {
    this.#save(`knx-device-${serialNumber}`, keys)
  }

  /** Undefined where the site has none. */
  device(serialNumber: SerialNumber): KnxKeys | undefined {
    return this.#load(`knx-device-${serialNumber}`)
  }

  /** Of a group address; drawn when it is first needed. */
  group(groupAddress: number): KnxKeys & { readonly isNew: boolean } {
    const name = `knx-group-${groupAddress}`
    const known = this.#load(name)
    if (known !== undefined) return { ...known, isNew: false }
    const keys = {
      senderId: Uint8Array.of(
        GROUP_SENDER,
        groupAddress >>> 24,
        (groupAddress >> 16) & 0xff,
        (groupAddress >> 8) & 0xff,
        groupAddress & 0xff,
      ),
      masterSecret: this.#random.bytes(SECRET_BYTES),
    }
    this.#save(name, keys)
    return { ...keys, isNew: true }
  }

  #save(name: string, { senderId, masterSecret }: KnxKeys): void {
    this.#file.setMeta(name, toHex(this.#sealer.seal(encodeCbor([senderId, masterSecret]))))
  }

  #load(name: string): KnxKeys | undefined {
    const sealed = this.#file.getMeta(name)
    const bytes = typeof sealed === 'string' ? fromHex(sealed) : undefined
    if (bytes === undefined) return undefined
    let parts: unknown
    try {
      parts = decodeCbor(this.#sealer.open(bytes))
    } catch (cause) {
      throw new AppError('security.locked', 'The keys of KNX devices are sealed with another keyring', { cause })
    }
    const [senderId, masterSecret] = Array.isArray(parts) ? (parts as readonly unknown[]) : []
    if (!(senderId instanceof Uint8Array) || !(masterSecret instanceof Uint8Array))
      throw new AppError('store.corrupt', 'The keys of a KNX device cannot be read')
    return { senderId, masterSecret }
  }
}
