// A site with its authority, registrar and voucher desk behind DTLS on a simulated network, a maker with its voucher server, and devices.
import { onTestFinished } from 'vitest'
import { AppError, seededRandom, silentLogger, type Clock, type Logger, type SocketAddress } from '#main/base/index.ts'
import {
  createDeviceList,
  createMasa,
  createRegistrar,
  localMasaClient,
  Pledge,
  VoucherDesk,
  type GateVerdict,
  type JoinStep,
  type MasaClient,
  type MasaOptions,
  type PledgeIdentity,
  type PledgeOptions,
  type Registrar,
  type RegistrarKeeper,
  type RegistrarSettings,
} from '#main/services/join/index.ts'
import { createVoucherStore } from '#main/store/index.ts'
import { CoapEndpoint, ResourceTree, type CoapParameters } from '#main/wire/coap/index.ts'
import { createDtlsChannel, type DtlsChannel, type DtlsClientSettings } from '#main/wire/dtls/index.ts'
import { MemoryNetwork, type MemoryNetworkOptions } from '#main/wire/ip/index.ts'
import { VirtualClock } from '../../../support/virtual-clock.ts'
import {
  createManufacturer,
  memoryDatabase,
  memoryVault,
  openSite,
  type Issued,
  type Manufacturer,
  type Site,
  type SiteOptions,
} from '../../ra/harness.ts'

export const NOW = Date.UTC(2026, 0, 5, 8)
export const COAPS: SocketAddress = { address: '2001:db8::1', port: 5684 }

/** Of one name for all tests: keys are costly. */
export const maker: Manufacturer = createManufacturer(NOW)
export const stranger: Manufacturer = createManufacturer(NOW, 'Nobody Knows')

export interface GateScript {
  verdict: (pledge: PledgeIdentity) => GateVerdict
}

export interface House {
  readonly site: Site
  readonly clock: VirtualClock
  /** The same in whole milliseconds. */
  readonly whole: Clock
  readonly net: MemoryNetwork
  readonly tree: ResourceTree
  readonly registrar: Registrar
  readonly desk: VoucherDesk
  readonly coaps: DtlsChannel
  readonly gate: GateScript
  readonly steps: JoinStep[]
  /** `<pledge> <events in its maker's log>` */
  readonly audits: string[]
  readonly devices: ReturnType<typeof createDeviceList>
  readonly errors: unknown[]
  /** `seen+ connected+ voucher?join…`: what the gate heard, + done, ? waiting, - failed. */
  story(pledge?: string): string[]
  /** A device of the known maker, in the maker's list. */
  device(serialNumber: string): Issued
  pledge(device: Issued, options?: Partial<PledgeOptions>): Pledge
  /** A CoAP client over DTLS with the given credential. */
  client(settings: Partial<DtlsClientSettings>, parameters?: Partial<CoapParameters>): CoapEndpoint
  drive<Value>(promise: Promise<Value>, limitMs?: number): Promise<Value>
}

export interface HouseOptions extends SiteOptions {
  readonly net?: Partial<MemoryNetworkOptions>
  readonly settings?: RegistrarSettings
  readonly masa?: (client: MasaClient) => MasaClient
  readonly ownership?: MasaOptions['ownership']
  readonly keeper?: RegistrarKeeper
  readonly isOffline?: () => boolean
  /** Takes what is to be done at the end; the end of the test unless told. */
  readonly atEnd?: (end: () => void) => void
}

export function memoryKeeper(): RegistrarKeeper {
  let kept: ReturnType<RegistrarKeeper['load']>
  return {
    load: () => kept,
    save: (next) => {
      kept = next
    },
  }
}

export async function openHouse(options: HouseOptions = {}): Promise<House> {
  const clock = new VirtualClock(NOW)
  const whole: Clock = {
    now: () => Math.floor(clock.now()),
    monotonicMs: () => clock.monotonicMs(),
    setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
  }
  const errors: unknown[] = []
  const logger: Logger = { ...silentLogger, error: (fields, message) => void errors.push([message, fields]) }
  const database = options.database ?? memoryDatabase()
  const site = await openSite({
    clock: whole,
    ...options,
    database,
    ra: { manufacturerAnchors: [maker.root.certificate.bytes], logger, ...options.ra },
  })
  const net = new MemoryNetwork({ clock, random: seededRandom(11), ...options.net })
  const tree = new ResourceTree()
  const ports = { clock: whole, random: seededRandom(13), logger }
  const devices = createDeviceList([])
  const masa = createMasa({
    key: maker.issuing.key,
    chain: [maker.issuing.certificate.bytes, maker.root.certificate.bytes],
    deviceAnchors: [maker.root.certificate.bytes],
    devices,
    ownership: options.ownership ?? 'anyone',
    clock: whole,
  })
  const client = localMasaClient(masa)
  const desk = new VoucherDesk({
    store: createVoucherStore(database),
    masa: options.masa?.(client) ?? client,
    clock: whole,
    registrar: () => {
      const { credential } = registrar
      if (credential === undefined) throw new Error('no registrar')
      return { key: credential.key, chain: credential.wholeChain }
    },
    makers: () => [{ id: 'maker', name: 'Lumen Works', anchors: [maker.root.certificate.bytes], masaUrl: 'masa.example' }],
    isOffline: options.isOffline ?? (() => false),
  })
  const steps: JoinStep[] = []
  const audits: string[] = []
  const gate: GateScript = {
    verdict: ({ isKnownMaker }) => (isKnownMaker ? { kind: 'admit' } : { kind: 'deny', code: 'join.maker-unknown' }),
  }
  const registrar: Registrar = await createRegistrar({
    ...ports,
    registry: tree,
    authority: site.authority,
    vault: vaultOf(database),
    keeper: options.keeper ?? memoryKeeper(),
    vouchers: desk,
    gate: { admits: (pledge) => gate.verdict(pledge), note: (step) => void steps.push(step) },
    settings: { rates: { burst: 10_000 }, ...options.settings },
    onAuditLog: ({ key }, log) => void audits.push(log instanceof AppError ? `${key} ${log.code}` : `${key} ${log.events.length}`),
    sessionOf: ({ source }) => coaps.sessionWith(source),
    disconnect: ({ source }) => coaps.disconnect(source),
  })
  const coaps: DtlsChannel = createDtlsChannel({
    ...ports,
    channel: net.channel(COAPS),
    server: registrar.dtls,
    onEvent: (event) => registrar.watch(event),
  })
  const endpoint = new CoapEndpoint({ ...ports, channel: coaps, tree })
  let nodes = 0
  const nodeChannel = (): ReturnType<MemoryNetwork['channel']> =>
    net.channel({ address: `2001:db8::${(++nodes + 256).toString(16)}`, port: 0 })
  const { atEnd = onTestFinished } = options
  atEnd(() => {
    endpoint.close()
    registrar.close()
    site.authority.close()
    site.ca.close()
  })
  return {
    site,
    clock,
    whole,
    net,
    tree,
    registrar,
    desk,
    coaps,
    gate,
    steps,
    audits,
    devices,
    errors,
    story: (key) =>
      steps
        .filter(({ pledge }) => key === undefined || pledge.key === key)
        .map(
          ({ step, outcome, code }) => `${step}${{ done: '+', waiting: '?', failed: '-' }[outcome]}${code === undefined ? '' : ` ${code}`}`,
        ),
    device: (serialNumber) => {
      devices.add({ serialNumber })
      return maker.device(`CN=lamp ${serialNumber}, serialNumber=${serialNumber}`)
    },
    pledge: (device, extra = {}) =>
      new Pledge({
        ...ports,
        random: seededRandom(5000 + nodes),
        channel: nodeChannel(),
        to: COAPS,
        birth: { key: device.key, chain: [device.certificate.bytes, ...device.chain] },
        makerAnchors: [maker.root.certificate.bytes],
        ...extra,
      }),
    client: (settings, parameters = {}) => {
      const channel = createDtlsChannel({
        ...ports,
        random: seededRandom(900 + nodes),
        channel: nodeChannel(),
        client: { verifyPeer: () => ({ ok: true }), ...settings },
      })
      return new CoapEndpoint({ ...ports, channel, parameters })
    },
    drive: (promise, limitMs = 3_600_000) => drive(clock, promise, limitMs),
  }
}

const vaults = new WeakMap<object, ReturnType<typeof memoryVault>>()

/** The same for the same database, as after a restart. */
function vaultOf(database: object): ReturnType<typeof memoryVault> {
  const vault = vaults.get(database) ?? memoryVault()
  vaults.set(database, vault)
  return vault
}

/** Lets virtual time pass while real work, on threads of its own, gets its turns: the longer it takes, the larger the steps. */
export async function drive<Value>(clock: VirtualClock, promise: Promise<Value>, limitMs: number): Promise<Value> {
  let settled = false
  const mark = (): void => {
    settled = true
  }
  promise.then(mark, mark)
  const isOpen = (): boolean => !settled
  for (let passedMs = 0; isOpen() && passedMs < limitMs;) {
    await new Promise((resolve) => setTimeout(resolve, 1))
    const stepMs = passedMs < 5000 ? 50 : passedMs < 60_000 ? 200 : 500
    if (isOpen()) await clock.advance(stepMs)
    passedMs += stepMs
  }
  if (isOpen()) throw new Error(`not settled within ${limitMs} ms`)
  return promise
}

export function certificateOf(device: Issued): Partial<DtlsClientSettings> {
  return { credential: { kind: 'certificate', key: device.key, chain: [device.certificate.bytes, ...device.chain] } }
}
