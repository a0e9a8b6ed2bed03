// The registrar's own certificate: from the site's authority, for serving, for asking makers, and with id-kp-cmcRA, by which devices know a
// registrar (draft-ietf-anima-constrained-voucher §6.2, §7.4). Kept across restarts, renewed in the last third of its life.
import {
  AppError,
  exportSigningKey,
  generateSigningKey,
  importSigningKey,
  toAppError,
  toHex,
  type Clock,
  type Logger,
  type SigningAlgorithm,
  type SigningKey,
  type Timer,
} from '#main/base/index.ts'
import {
  asn1,
  Certificate,
  generalNameText,
  issueServiceCertificate,
  type GeneralName,
  type KeyVault,
  type RegistrationAuthority,
} from '#main/services/ra/index.ts'

/** Port: where the registrar's certificate and sealed key stay. */
export interface RegistrarKeeper {
  load(): { readonly certificate: Uint8Array; readonly sealedKey: Uint8Array } | undefined
  save(kept: { readonly certificate: Uint8Array; readonly sealedKey: Uint8Array }): void
}

export interface RegistrarIdentityOptions {
  readonly authority: RegistrationAuthority
  readonly vault: KeyVault
  readonly keeper: RegistrarKeeper
  readonly clock: Clock
  readonly logger: Logger
  /** `CN=Registrar` and the organisation of the authority unless told. */
  readonly subject?: string
  readonly altNames?: readonly GeneralName[]
  /** P-256 unless told: what each device can verify. */
  readonly algorithm?: SigningAlgorithm
  readonly lifetimeS?: number
}

export interface RegistrarCredential {
  readonly certificate: Certificate
  readonly key: SigningKey
  /** In DER, the certificate first, then what leads up to the root, which is left out: what devices are shown. */
  readonly chain: readonly Uint8Array[]
  /** The same with the root: what makers are shown (§8.1). */
  readonly wholeChain: readonly Uint8Array[]
}

const PURPOSE = 'join:registrar'
const DEFAULT_LIFETIME_S = 2 * 365 * 86_400
const LOOK_EVERY_MS = 3_600_000
/** Sessions outlive a renewal: what they have shown stays ours. */
const MAX_FORMER = 4

export class RegistrarIdentity {
  readonly #options: RegistrarIdentityOptions
  readonly #unsubscribe: () => void
  #current: RegistrarCredential | undefined
  #former: readonly Certificate[] = []
  #timer: Timer | undefined
  #renewing: Promise<void> | undefined
  #closed = false

  constructor(options: RegistrarIdentityOptions) {
    this.#options = options
    this.#unsubscribe = options.authority.context.ca.subscribe((event) => {
      const isOurs = event.kind === 'revoked' && event.certificate.serial === this.#serial()
      if (event.kind === 'rolled-over' || isOurs) void this.refresh()
    })
  }

  /** Undefined as long as the site has no authority. */
  get current(): RegistrarCredential | undefined {
    return this.#current
  }

  /** The certificate now and those before it, newest first. */
  get certificates(): readonly Certificate[] {
    return this.#current === undefined ? this.#former : [this.#current.certificate, ...this.#former]
  }

  /** Loads, obtains or renews, as is due. Does not reject: what fails is logged and tried again. */
  refresh(): Promise<void> {
    this.#renewing ??= this.#refresh()
      .catch((thrown: unknown) => this.#options.logger.error({ err: toAppError(thrown) }, 'the registrar has no certificate'))
      .finally(() => {
        this.#renewing = undefined
        this.#arm()
      })
    return this.#renewing
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#unsubscribe()
  }

  async #refresh(): Promise<void> {
    if (this.#closed || !this.#options.authority.context.ca.exists) return
    const loaded = this.#current ?? (await this.#load())
    if (loaded !== undefined && this.#isGood(loaded.certificate)) this.#current = this.#credential(loaded.certificate, loaded.key)
    else await this.#obtain(loaded?.certificate)
  }

  async #load(): Promise<{ readonly certificate: Certificate; readonly key: SigningKey } | undefined> {
    const { keeper, vault, logger } = this.#options
    const kept = keeper.load()
    if (kept === undefined) return undefined
    try {
      const certificate = new Certificate(kept.certificate)
      const key = importSigningKey(await vault.open(PURPOSE, kept.sealedKey))
      if (toHex(key.spki) !== toHex(certificate.spki))
        throw new AppError('store.corrupt', 'The registrar’s key is not that of its certificate')
      return { certificate, key }
    } catch (thrown) {
      const error = toAppError(thrown)
      // A locked vault opens again; anything else is made anew.
      if (error.code === 'ra.vault-locked') throw error
      logger.warn({ err: error }, 'the registrar’s kept key is of no use: it gets a new one')
      return undefined
    }
  }

  #isGood(certificate: Certificate): boolean {
    const { store, ca, clock } = this.#options.authority.context
    const record = store.certificate(toHex(certificate.serial))
    const isOurs =
      record?.state === 'valid' && toHex(record.der) === toHex(certificate.bytes) && certificate.isIssuedBy(ca.active.certificate)
    const life = certificate.notAfter - certificate.notBefore
    const names = new Set(certificate.subjectAltNames.map(generalNameText))
    const hasNames = (this.#options.altNames ?? []).every((name) => names.has(generalNameText(name)))
    return isOurs && hasNames && clock.now() < certificate.notAfter - life / 3
  }

  async #obtain(before: Certificate | undefined): Promise<void> {
    const { authority, vault, keeper, algorithm = 'P-256', altNames = [], lifetimeS = DEFAULT_LIFETIME_S, logger } = this.#options
    const key = generateSigningKey(algorithm)
    const sealedKey = await vault.seal(PURPOSE, exportSigningKey(key))
    const replaces = before === undefined ? undefined : toHex(before.serial)
    const { store } = authority.context
    const { Oid } = asn1
    const record = issueServiceCertificate(authority, {
      subject: this.#options.subject ?? 'CN=Registrar',
      spki: key.spki,
      altNames,
      purposes: [Oid.cmcRa, Oid.serverAuth, Oid.clientAuth],
      lifetimeS,
      service: 'registrar',
      ...(replaces === undefined || store.certificate(replaces) === undefined ? {} : { replaces }),
    })
    keeper.save({ certificate: record.der, sealedKey })
    if (before !== undefined) this.#former = [before, ...this.#former].slice(0, MAX_FORMER)
    this.#current = this.#credential(new Certificate(record.der), key)
    logger.info({ serial: record.serial }, 'the registrar has a new certificate')
  }

  #credential(certificate: Certificate, key: SigningKey): RegistrarCredential {
    const { active } = this.#options.authority.context.ca
    const chain = [certificate.bytes, ...active.signer.chain]
    const above = [active.certificate, ...active.chain].map(({ bytes }) => bytes)
    return { certificate, key, chain, wholeChain: [certificate.bytes, ...above] }
  }

  #serial(): string | undefined {
    return this.#current === undefined ? undefined : toHex(this.#current.certificate.serial)
  }

  #arm(): void {
    this.#timer?.cancel()
    if (!this.#closed) this.#timer = this.#options.clock.setTimer(LOOK_EVERY_MS, () => void this.refresh())
  }
}
