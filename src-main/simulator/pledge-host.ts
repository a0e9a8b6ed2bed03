// Simulated devices as pledges: by its birth certificate each asks for one of the site, by CMP over the simulated radio, and renews it in time
// (RFC 9482, RFC 9483 §4.1.1 and §4.1.3). What they hold outlives a power cut.
import {
  AppError,
  generateSigningKey,
  toAppError,
  type Clock,
  type Logger,
  type Random,
  type SocketAddress,
  type Timer,
} from '#main/base/index.ts'
import { buildName, CmpClient, createCoapTransport, parseNameText, type Certificate } from '#main/services/ra/index.ts'
import type { MasaClient } from '#main/services/join/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import type { DtlsLimits } from '#main/wire/dtls/index.ts'
import type { DemoMemory } from './demo-device.ts'
import type { PlannedDevice } from './floor-plan.ts'
import { DemoManufacturer, readHeld, writeHeld, type Held } from './pledge-manufacturer.ts'
import { joinSite } from './pledge-joining.ts'
import { DevicePort } from './secure/device-port.ts'
import type { DeviceEnrolment } from './secure/types.ts'

export interface PledgeHostOptions {
  readonly plan: readonly PlannedDevice[]
  readonly addressOf: (index: number) => string
  readonly authority: SocketAddress
  readonly memory: DemoMemory
  /** How many ask at the same time: the channel is shared. */
  readonly parallel: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** From `PLEDGE_PORT` of the device. */
  readonly send: (index: number, payload: Uint8Array, to: SocketAddress) => void
  /** How a device without a certificate of the site gets its first one; by CMP unless told. */
  readonly joining?: PledgeJoining
}

export interface PledgeJoining {
  readonly linkLocalOf: (index: number) => string
  /** Next to the device: a join proxy, or the registrar itself. */
  readonly wayOf: (index: number) => SocketAddress | undefined
  readonly dtls: Partial<DtlsLimits>
  /** The device has got the keys that it shares with the tool. */
  readonly onContext: (index: number, enrolment: DeviceEnrolment) => void
}

/** Apart from the CoAP server's: its stack need not know of exchanges that another one began. */
export const PLEDGE_PORT = 5688
const LOOK_EVERY_MS = 1000
const FIRST_RETRY_MS = 5000
const LONGEST_RETRY_MS = 300_000
const BLOCK_BYTES = 256
/** A certificate is renewed in the last part of its life. */
const RENEWED_IN_LAST = 4

interface Pledge {
  readonly index: number
  /** Undefined until the memory was looked at. */
  own: Held | undefined
  isRead: boolean
  work: { readonly end: AbortController; readonly port: DevicePort } | undefined
  retryMs: number
  notBeforeMs: number
}

export class PledgeHost {
  readonly #options: PledgeHostOptions
  readonly #manufacturer: DemoManufacturer
  readonly #powered = new Map<number, Pledge>()
  readonly #held = new Set<number>()
  #masa: MasaClient | undefined
  #anchors: readonly Uint8Array[] = []
  #timer: Timer | undefined
  /** Those that are on the air; who waits for a decision is not. */
  #busy = 0

  constructor(options: PledgeHostOptions) {
    this.#options = options
    this.#manufacturer = new DemoManufacturer(options.memory, options.random, options.clock)
  }

  /** Root of the devices' maker, in DER. */
  get anchor(): Uint8Array {
    return this.#manufacturer.anchor
  }

  /** The maker's server for vouchers, within this process. */
  get masa(): MasaClient {
    this.#masa ??= this.#manufacturer.masa(this.#options.plan.map(({ serial }) => serial))
    return this.#masa
  }

  /** Devices with a certificate of the site. */
  get count(): number {
    return this.#held.size
  }

  /** The certificate that a device has from the site. */
  certificateOf(index: number): Certificate | undefined {
    return this.#powered.get(index)?.own?.certificate
  }

  /** Tells the devices whom to trust, as a voucher would; from then on they ask. None: there is nobody to ask. */
  admit(anchors: readonly Uint8Array[]): void {
    this.#anchors = anchors
    this.#timer?.cancel()
    this.#timer = undefined
    if (anchors.length > 0) this.#look()
  }

  powerOn(index: number): void {
    this.powerOff(index)
    this.#powered.set(index, { index, own: undefined, isRead: false, work: undefined, retryMs: FIRST_RETRY_MS, notBeforeMs: 0 })
  }

  powerOff(index: number): void {
    this.#powered.get(index)?.work?.end.abort()
    this.#powered.delete(index)
    this.#held.delete(index)
  }

  receive(index: number, payload: Uint8Array, from: SocketAddress): void {
    this.#powered.get(index)?.work?.port.receive(payload, from, undefined)
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#anchors = []
    for (const index of [...this.#powered.keys()]) this.powerOff(index)
  }

  #look(): void {
    const { clock, parallel } = this.#options
    for (const pledge of this.#powered.values()) {
      if (this.#busy >= parallel) break
      if (pledge.work !== undefined || clock.monotonicMs() < pledge.notBeforeMs) continue
      this.#read(pledge)
      if (this.#needs(pledge)) void this.#enrol(pledge)
    }
    this.#timer = clock.setTimer(LOOK_EVERY_MS, () => this.#look())
  }

  #read(pledge: Pledge): void {
    if (pledge.isRead) return
    pledge.isRead = true
    this.#keep(pledge, readHeld(this.#options.memory.load(this.#nameOf(pledge, 'site'))))
  }

  #keep(pledge: Pledge, own: Held | undefined): void {
    pledge.own = own
    if (own === undefined) this.#held.delete(pledge.index)
    else this.#held.add(pledge.index)
  }

  #needs({ own }: Pledge): boolean {
    if (own === undefined) return true
    const { notBefore, notAfter } = own.certificate
    return this.#options.clock.now() > notAfter - (notAfter - notBefore) / RENEWED_IN_LAST
  }

  async #enrol(pledge: Pledge): Promise<void> {
    const { clock, random, logger, memory, plan } = this.#options
    const planned = plan[pledge.index]
    if (planned === undefined) return
    const { own } = pledge
    const isRenewal = own !== undefined && own.certificate.notAfter > clock.now()
    const credential = isRenewal ? own : this.#birth(pledge, planned)
    const joins = isRenewal ? undefined : this.#options.joining
    const address = joins?.linkLocalOf(pledge.index) ?? this.#options.addressOf(pledge.index)
    const port = new DevicePort({ address, port: PLEDGE_PORT }, (payload, to) => this.#options.send(pledge.index, payload, to))
    const work = { end: new AbortController(), port }
    pledge.work = work
    this.#busy += 1
    let isBusy = true
    const leaveAir = (): void => {
      if (isBusy) this.#busy -= 1
      isBusy = false
    }
    try {
      const held =
        joins === undefined
          ? await this.#byCmp(port, planned, credential, isRenewal, leaveAir, work.end.signal)
          : await this.#byProxy(joins, pledge.index, port, planned, credential, leaveAir, work.end.signal)
      if (pledge.work !== work) return
      memory.save(this.#nameOf(pledge, 'site'), writeHeld(held))
      this.#keep(pledge, held)
      pledge.retryMs = FIRST_RETRY_MS
    } catch (thrown) {
      const { code } = toAppError(thrown)
      if (code !== 'cancelled') logger.debug({ code, device: planned.eui64 }, 'a demo device got no certificate')
      pledge.notBeforeMs = clock.monotonicMs() + pledge.retryMs * (1 + random.fraction())
      pledge.retryMs = Math.min(pledge.retryMs * 2, LONGEST_RETRY_MS)
    } finally {
      leaveAir()
      if (pledge.work === work) pledge.work = undefined
    }
  }

  async #byCmp(
    port: DevicePort,
    planned: PlannedDevice,
    credential: Held,
    isRenewal: boolean,
    onWaiting: () => void,
    signal: AbortSignal,
  ): Promise<Held> {
    const { clock, random, logger, authority } = this.#options
    const endpoint = new CoapEndpoint({ channel: port, clock, random, logger })
    try {
      const key = generateSigningKey('P-256')
      const client = new CmpClient({
        transport: createCoapTransport({ client: endpoint, to: authority, blockBytes: BLOCK_BYTES }),
        clock,
        random,
        protector: { kind: 'signature', key: credential.key, certificate: credential.certificate, chain: [] },
        anchors: this.#anchors,
      })
      const subject = isRenewal ? credential.certificate.subject : buildName(parseNameText(`CN=${planned.eui64}`) ?? [])
      const { certificate } = await client.enrol(isRenewal ? 'kur' : 'ir', { key, subject, implicitConfirm: true, onWaiting }, signal)
      return { key, certificate }
    } finally {
      endpoint.close()
    }
  }

  async #byProxy(
    { wayOf, dtls, onContext }: PledgeJoining,
    index: number,
    channel: DevicePort,
    planned: PlannedDevice,
    birth: Held,
    onWaiting: () => void,
    signal: AbortSignal,
  ): Promise<Held> {
    const { clock, random, logger } = this.#options
    const to = wayOf(index)
    if (to === undefined) throw new AppError('network.no-route', 'There is no join proxy', { retryable: true })
    const { key, certificate } = await joinSite(
      {
        planned,
        birth,
        makerAnchor: this.anchor,
        channel,
        to,
        dtls,
        onWaiting,
        onContext: (enrolment) => onContext(index, enrolment),
        clock,
        random,
        logger,
      },
      signal,
    )
    return { key, certificate }
  }

  #birth(pledge: Pledge, planned: PlannedDevice): Held {
    const { memory } = this.#options
    const name = this.#nameOf(pledge, 'birth')
    const known = readHeld(memory.load(name))
    if (known !== undefined) return known
    const made = this.#manufacturer.certify(planned)
    memory.save(name, writeHeld(made))
    return made
  }

  #nameOf({ index }: Pledge, what: 'birth' | 'site'): string {
    return `${this.#options.plan[index]?.eui64 ?? ''} ${what}`
  }
}
