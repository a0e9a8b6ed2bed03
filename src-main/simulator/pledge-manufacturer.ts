// The maker of the simulated devices: an authority that gives each of them its birth certificate (IEEE 802.1AR IDevID: serial number in the
// subject, EUI-64 as `urn:dev:mac:` of RFC 9039). Its keys are toys and lie in the clear in the devices' memory.
import {
  exportSigningKey,
  fromHex,
  generateSigningKey,
  importSigningKey,
  toHex,
  type Clock,
  type Random,
  type SigningKey,
} from '#main/base/index.ts'
import { createDeviceList, createMasa, localMasaClient, type MasaClient } from '#main/services/join/index.ts'
import {
  buildName,
  Certificate,
  extensionOf,
  keyIdOf,
  KeyUsage,
  parseNameText,
  tryCertificate,
  writeCertificate,
  type Extension,
} from '#main/services/ra/index.ts'
import type { DemoMemory } from './demo-device.ts'
import type { PlannedDevice } from './floor-plan.ts'

export interface Held {
  readonly key: SigningKey
  readonly certificate: Certificate
}

const MEMORY = 'manufacturer'
const NAME = 'CN=Demo Works Device CA, O=Demo Works'
const MASA_NAME = 'CN=Demo Works MASA, O=Demo Works'
const DAY_MS = 86_400_000
const YEARS_20_MS = 20 * 365 * DAY_MS
const SERIAL_BYTES = 12

export class DemoManufacturer {
  readonly #memory: DemoMemory
  readonly #random: Random
  readonly #clock: Clock
  #own: Held | undefined

  constructor(memory: DemoMemory, random: Random, clock: Clock) {
    this.#memory = memory
    this.#random = random
    this.#clock = clock
  }

  /** The root that vouches for all devices, in DER. */
  get anchor(): Uint8Array {
    return this.#authority().certificate.bytes
  }

  /** A new birth certificate. */
  certify({ serial, eui64 }: Pick<PlannedDevice, 'serial' | 'eui64'>): Held {
    const authority = this.#authority()
    return this.#make(`serialNumber=${serial}, O=Demo Works`, authority, [
      extensionOf.basicConstraints(false),
      extensionOf.keyUsage([KeyUsage.digitalSignature]),
      extensionOf.subjectAltName([{ kind: 'uri', value: `urn:dev:mac:${eui64}` }]),
      extensionOf.authorityKeyId(keyIdOf(authority.key.spki)),
    ])
  }

  /** Its server for vouchers (RFC 8995 §5.4), within this process: to whoever asks for one of these devices it gives one. */
  masa(serialNumbers: readonly string[]): MasaClient {
    const authority = this.#authority()
    const signer = this.#make(MASA_NAME, authority, [
      extensionOf.basicConstraints(false),
      extensionOf.keyUsage([KeyUsage.digitalSignature]),
      extensionOf.authorityKeyId(keyIdOf(authority.key.spki)),
    ])
    return localMasaClient(
      createMasa({
        key: signer.key,
        chain: [signer.certificate.bytes, authority.certificate.bytes],
        deviceAnchors: [authority.certificate.bytes],
        devices: createDeviceList(serialNumbers.map((serialNumber) => ({ serialNumber }))),
        ownership: 'anyone',
        clock: this.#clock,
      }),
    )
  }

  #authority(): Held {
    this.#own ??= readHeld(this.#memory.load(MEMORY))
    if (this.#own === undefined) {
      this.#own = this.#make(NAME, undefined, [
        extensionOf.basicConstraints(true),
        extensionOf.keyUsage([KeyUsage.keyCertSign, KeyUsage.crlSign]),
      ])
      this.#memory.save(MEMORY, writeHeld(this.#own))
    }
    return this.#own
  }

  #make(name: string, issuer: Held | undefined, extensions: readonly Extension[]): Held {
    const key = generateSigningKey('P-256')
    const subject = buildName(parseNameText(name) ?? [])
    const now = this.#clock.now()
    const serial = this.#random.bytes(SERIAL_BYTES)
    // A positive number without leading zeros (RFC 5280 §4.1.2.2).
    serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
    const der = writeCertificate(
      {
        serial,
        issuer: issuer?.certificate.subject ?? subject,
        subject,
        notBefore: now - DAY_MS,
        notAfter: now + YEARS_20_MS,
        spki: key.spki,
        extensions: [...extensions, extensionOf.subjectKeyId(key.spki)],
      },
      issuer?.key ?? key,
    )
    return { key, certificate: new Certificate(der) }
  }
}

export function writeHeld({ key, certificate }: Held): string {
  return `${toHex(exportSigningKey(key))} ${toHex(certificate.bytes)}`
}

/** Undefined for any other text. */
export function readHeld(text: string | undefined): Held | undefined {
  const [keyText = '', certificateText = ''] = (text ?? '').split(' ')
  const keyBytes = fromHex(keyText)
  const certificateBytes = fromHex(certificateText)
  if (keyBytes === undefined || certificateBytes === undefined || keyText === '') return undefined
  const certificate = tryCertificate(certificateBytes)
  try {
    return certificate === undefined ? undefined : { key: importSigningKey(keyBytes), certificate }
  } catch {
    return undefined
  }
}
