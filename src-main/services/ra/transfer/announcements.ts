// Announcements over Observe (RFC 9482 §2.6): CA key update, certificate, revocation and CRL, each a signed PKIMessage at `/ann`.
import type { Clock, Random, Timer } from '#main/base/index.ts'
import { Observable } from '#main/wire/coap/index.ts'
import type { SiteCa, SiteCaEvent } from '../ca/site-ca.ts'
import type { PkiBody } from '../cmp/body.ts'
import { signMessage } from '../cmp/protection.ts'
import { PkiStatus } from '../cmp/status.ts'
import { explicit } from '../der/index.ts'
import { CMP_2000, CMP_2021 } from '../engine/replies.ts'
import { rootUpdateContent } from '../engine/support.ts'
import type { CertificateRecord } from '../types.ts'
import { Certificate } from '../x509/certificate.ts'
import { NULL_DN } from '../x509/names.ts'

export interface AnnouncerOptions {
  readonly ca: SiteCa
  readonly clock: Clock
  readonly random: Random
  /**
   * Time between two announcements: an observer is told of the newest state only, so what comes too fast would be missed
   * (RFC 7641 §1.3). 5 s unless told.
   */
  readonly gapMs?: number
}

const DEFAULT_GAP_MS = 5000
const MAX_QUEUE = 32

export class Announcer {
  readonly observable = new Observable()
  readonly #options: AnnouncerOptions
  readonly #unsubscribe: () => void
  #current: Uint8Array | undefined
  #queue: PkiBody[] = []
  #timer: Timer | undefined

  constructor(options: AnnouncerOptions) {
    this.#options = options
    this.#unsubscribe = options.ca.subscribe((event) => this.#onEvent(event))
  }

  close(): void {
    this.#unsubscribe()
    this.#timer?.cancel()
    this.observable.end('5.03')
  }

  /** The newest announcement; at first that of the current CRL, undefined while there is no authority. */
  current(): Uint8Array | undefined {
    const { ca } = this.#options
    if (this.#current === undefined && ca.exists) {
      const crl = ca.crl()
      if (crl !== undefined) this.#current = this.#sign({ type: 'crlann', crls: [crl.der] })
    }
    return this.#current
  }

  /** Certificate announcement (cann), for a certificate that others should know. */
  announceCertificate(certificate: Uint8Array): void {
    this.#publish({ type: 'cann', certificate })
  }

  #onEvent(event: SiteCaEvent): void {
    if (event.kind === 'crl') this.#publish({ type: 'crlann', crls: [event.crl.der] })
    else if (event.kind === 'revoked') this.#publish(revocationOf(event.certificate))
    else {
      const { links } = event.authority.record
      if (links === undefined) return
      const content = explicit(0, rootUpdateContent(event.authority, links))
      if (content !== undefined) this.#publish({ type: 'ckuann', content })
      this.#publish({ type: 'cann', certificate: event.authority.certificate.bytes })
    }
  }

  #publish(body: PkiBody): void {
    // Of CRLs only the newest counts.
    this.#queue = [...this.#queue.filter(({ type }) => type !== 'crlann' || body.type !== 'crlann'), body].slice(-MAX_QUEUE)
    if (this.#timer === undefined) this.#next()
  }

  #next(): void {
    const body = this.#queue.shift()
    this.#timer = undefined
    if (body === undefined || !this.#options.ca.exists) return
    this.#current = this.#sign(body)
    this.observable.notify()
    this.#timer = this.#options.clock.setTimer(this.#options.gapMs ?? DEFAULT_GAP_MS, () => this.#next())
  }

  #sign(body: PkiBody): Uint8Array {
    const { ca, clock, random } = this.#options
    const { signer } = ca.active
    return signMessage(
      {
        pvno: body.type === 'ckuann' ? CMP_2021 : CMP_2000,
        sender: { kind: 'directory', name: signer.certificate.subject },
        recipient: { kind: 'directory', name: NULL_DN },
        messageTime: clock.now(),
        recipKID: undefined,
        transactionID: random.bytes(16),
        senderNonce: random.bytes(16),
        recipNonce: undefined,
        freeText: [],
        generalInfo: [],
      },
      body,
      signer,
    )
  }
}

function revocationOf({ der, revokedAt }: CertificateRecord): PkiBody {
  const certificate = new Certificate(der)
  const at = revokedAt ?? certificate.notBefore
  return {
    type: 'rann',
    announcement: {
      status: PkiStatus.revocationNotification,
      certId: { issuer: { kind: 'directory', name: certificate.issuer }, serialNumber: certificate.serial },
      willBeRevokedAt: at,
      badSinceDate: at,
      crlDetails: [],
    },
  }
}
