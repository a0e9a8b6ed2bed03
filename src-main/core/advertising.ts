// Whether and where the directory is advertised: on the interfaces where it listens, never on loopback (RFC 9176 §4.1.2).
import { toAppError, utf8 } from '#main/base/index.ts'
import type { AppError, Logger } from '#main/base/index.ts'
import type { Advertisement, ListeningAddress } from '#contract/model.ts'
import type { AnnouncedPlace, AnnouncedService, DnsSd } from './dns-sd.ts'
import { isLinkLocalAddress } from '#main/wire/ip/index.ts'
import { isLoopback } from './network.ts'
import type { NetworkInterface } from './interfaces.ts'

/** The directory (RFC 9176 §4.1.2). */
const DIRECTORY: AdvertisedService = { type: 'core-rd', text: { path: '/rd' }, scheme: 'coap' }
/** A label of DNS holds so many bytes (RFC 6763 §4.1.1). */
const LONGEST_LABEL_BYTES = 63
/** A certificate goes over the radio at each handshake. */
const MOST_CERTIFIED_ADDRESSES = 4

export const NOT_ADVERTISED: Advertisement = { wanted: false, state: 'off', name: null, failure: null }

export interface AdvertisedService {
  /** Without the underscore. */
  readonly type: string
  readonly text: Readonly<Record<string, string>>
  /** By which of the site's ports it is. */
  readonly scheme: ListeningAddress['scheme']
}

export interface AdvertisingOptions {
  /** The directory unless told. */
  readonly service?: AdvertisedService
  readonly dnsSd: DnsSd
  readonly logger: Logger
  readonly siteId: string
  readonly siteName: () => string
  readonly listening: () => readonly ListeningAddress[]
  readonly interfaces: () => readonly NetworkInterface[]
  /** Called whenever the state has changed. */
  readonly changed: () => void
}

export interface Advertising {
  readonly state: Advertisement
  /** Brings the advertisement into line with what is wanted and where the directory listens now. Never throws. */
  update(wanted: boolean): Promise<void>
  close(): Promise<void>
}

export function createAdvertising(options: AdvertisingOptions): Advertising {
  let state = NOT_ADVERTISED
  let withdrawals: ReadonlyArray<() => Promise<void>> = []
  let turn: Promise<void> = Promise.resolve()

  const show = (next: Advertisement): void => {
    state = next
    options.changed()
  }
  const withdraw = async (): Promise<void> => {
    const ending = withdrawals
    withdrawals = []
    for (const end of ending) await end().catch((thrown: unknown) => options.logger.warn({ code: toAppError(thrown).code }, 'no goodbye'))
  }
  const announce = async (): Promise<void> => {
    const { places, port } = placesOf(options.listening(), options.interfaces(), (options.service ?? DIRECTORY).scheme)
    if (places.length === 0) {
      show({ wanted: true, state: 'no-network', name: null, failure: null })
      return
    }
    const service = serviceOf(options, port)
    show({ wanted: true, state: 'starting', name: service.instance, failure: null })
    const results = await Promise.allSettled(places.map((place) => options.dnsSd.announce(service, place)))
    withdrawals = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [toAppError(result.reason)] : []))
    for (const { code, details } of failures)
      options.logger.warn({ code, details, service: service.type }, 'a service could not be advertised')
    const [first] = failures
    // One interface that works is enough to be found there.
    const isAnnounced = withdrawals.length > 0
    show({
      wanted: true,
      state: isAnnounced ? 'announced' : 'failed',
      name: isAnnounced ? service.instance : null,
      failure: isAnnounced || first === undefined ? null : failureOf(first),
    })
  }
  const inTurn = (work: () => Promise<void>): Promise<void> => (turn = turn.then(work, work))

  return {
    get state() {
      return state
    },
    update: (wanted) =>
      inTurn(async () => {
        await withdraw()
        if (wanted) await announce()
        else if (state.state !== 'off') show(NOT_ADVERTISED)
      }),
    close: () => inTurn(withdraw),
  }
}

/** The interfaces behind the addresses that it listens at, one place for each interface and family. */
function placesOf(
  listening: readonly ListeningAddress[],
  interfaces: readonly NetworkInterface[],
  scheme: ListeningAddress['scheme'],
): { readonly places: readonly AnnouncedPlace[]; readonly port: number } {
  const own = listening.filter(
    ({ channel, address, ...at }) =>
      at.scheme === scheme && channel === (scheme === 'coap' ? 'udp' : `${scheme}:udp`) && !isLoopback(address),
  )
  const places = new Map<string, { interfaceName: string; family: 'IPv4' | 'IPv6'; addresses: string[] }>()
  for (const { name, address, family, internal } of interfaces) {
    const bare = address.split('%')[0] ?? address
    const serves = own.some((at) => at.address === bare || at.address === (family === 'IPv4' ? '0.0.0.0' : '::'))
    if (internal || !serves) continue
    const key = `${family} ${name}`
    const place = places.get(key) ?? { interfaceName: name, family, addresses: [] }
    place.addresses.push(bare)
    places.set(key, place)
  }
  return { places: [...places.values()], port: own[0]?.port ?? 0 }
}

/** Addresses by which others may ask for this program: those that it is bound to, each of its own where it is bound to all. Never of one link alone. */
export function certificateAddresses(listening: readonly ListeningAddress[], interfaces: readonly NetworkInterface[]): readonly string[] {
  const own = listening.flatMap(({ address }) => {
    if (address !== '::' && address !== '0.0.0.0') return address
    const family = address === '::' ? 'IPv6' : 'IPv4'
    return interfaces.filter((each) => each.family === family).map((each) => each.address.split('%')[0] ?? each.address)
  })
  return [...new Set(own)]
    .filter((address) => !isLinkLocalAddress(address))
    .toSorted()
    .slice(0, MOST_CERTIFIED_ADDRESSES)
}

function serviceOf({ siteId, siteName, service = DIRECTORY }: AdvertisingOptions, port: number): AnnouncedService {
  const mark = siteId
    .replaceAll(/[^a-z0-9]/gi, '')
    .slice(-6)
    .toLowerCase()
  // The library puts a dash for each dot; done here, what is shown is what others see.
  const name = shortened(siteName().replaceAll('.', '-'), LONGEST_LABEL_BYTES - mark.length - 3)
  return {
    instance: `${name} (${mark})`,
    type: service.type,
    host: `groupwright-${mark}.local`,
    port,
    text: service.text,
  }
}

function shortened(text: string, mostBytes: number): string {
  let short = ''
  let bytes = 0
  for (const character of text) {
    bytes += utf8(character).length
    if (bytes > mostBytes) break
    short += character
  }
  return short
}

function failureOf({ code, message, retryable, details }: AppError): Advertisement['failure'] {
  return { code, message, retryable, details: { ...details } }
}
