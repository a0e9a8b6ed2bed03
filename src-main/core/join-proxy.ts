// This program as a join proxy on the links that were chosen: a join port on each, and what pledges are told of it there
// (draft-ietf-anima-constrained-join-proxy-20 §4, §5.2; draft -01 §5, §7.2).
import {
  toAppError,
  type AppError,
  type Clock,
  type DatagramChannel,
  type Logger,
  type Random,
  type SocketAddress,
} from '#main/base/index.ts'
import {
  announceJoinProxy,
  openJoinService,
  type JoinService,
  type LinkRegistry,
  type RegistrarRoute,
  type RegistrarSearch,
} from '#main/services/join/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import type { JoinPortRow, JoinProxyRow, JoinProxySettings, JoinRegistrarRow } from '#contract/model.ts'
import { configuredRoute } from './join-settings.ts'

/** One link with pledges. */
export interface JoinPlace {
  readonly id: string
  /** Our address there. */
  readonly linkLocal: string
  /** By which the link is told from others in addresses. */
  readonly zone: string
  /** Opens a port there that its neighbours reach. */
  readonly open: (port: number, id: string) => Promise<DatagramChannel>
  /** The channel of the site by which questions to the groups of that link come, and are answered from `linkLocal`. */
  readonly sharedChannel: string | undefined
}

export interface OpenSearch {
  readonly search: RegistrarSearch
  close(): Promise<void>
}

export interface SiteJoinProxyPorts {
  readonly settings: () => JoinProxySettings
  /** Those that can be served now. */
  readonly places: () => readonly JoinPlace[]
  readonly openUplink: (to: SocketAddress, id: string) => Promise<DatagramChannel>
  /** Ways to look for registrars, held open while a proxy runs. */
  readonly openSearch: (by: JoinProxySettings['search']) => Promise<OpenSearch>
  /** Of the site's own channels. */
  readonly tree: LinkRegistry
  readonly changed: () => void
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Pauses between searches; those of the room unless told. */
  readonly pauseMs?: { readonly least: number; readonly longest: number }
}

export interface SiteJoinProxy {
  row(): JoinProxyRow
  /** Brings it into line with settings and links. `anew`: also what runs well. Never fails. */
  update(anew?: boolean): Promise<void>
  close(): Promise<void>
}

interface Served {
  readonly place: JoinPlace
  readonly service: JoinService
  /** Told apart by it whether the place is still the same. */
  readonly mark: string
  /** Answers pledges on a link where none of the site's channels does. */
  readonly answers: { close(): Promise<void> } | 'shared' | 'hidden'
}

const COAP_PORT = 5683
/** Where pledges look for a proxy (constrained-voucher-31 §10). */
const ALL_COAP_NODES = 'ff02::fd'

export function createSiteJoinProxy(ports: SiteJoinProxyPorts): SiteJoinProxy {
  const { settings, places, tree, clock, random, logger } = ports
  let served: readonly Served[] = []
  let search: OpenSearch | undefined
  let running: string | undefined
  let failure: AppError | undefined
  let closed = false
  let turn: Promise<void> = Promise.resolve()

  const placeOf = (zone: string | undefined): Served | undefined =>
    served.find(({ place }) => place.zone === zone) ?? (zone === undefined && served.length === 1 ? served[0] : undefined)
  const announcement = {
    joinPorts: (zone: string | undefined) => placeOf(zone)?.service.joinPorts() ?? [],
    linkLocal: (zone: string | undefined) => placeOf(zone)?.place.linkLocal,
  }
  const endAnnouncement = announceJoinProxy(
    {
      // Elsewhere the site answers from addresses that pledges cannot reach.
      addLinks: (source) =>
        tree.addLinks((request) =>
          served.some(({ place, answers }) => answers === 'shared' && place.sharedChannel === request.channelId) ? source(request) : [],
        ),
    },
    announcement,
  )

  async function answersOn(place: JoinPlace): Promise<Served['answers']> {
    if (place.sharedChannel !== undefined) return 'shared'
    try {
      const channel = await place.open(COAP_PORT, `join-proxy:${place.id}:coap`)
      channel.joinGroup(ALL_COAP_NODES)
      const own = new ResourceTree()
      const endAnswers = announceJoinProxy(own, announcement)
      const endpoint = new CoapEndpoint({ channel, tree: own, clock, random, logger })
      return {
        async close() {
          endAnswers()
          endpoint.close()
          await channel.close()
        },
      }
    } catch (thrown) {
      logger.warn({ place: place.id, code: toAppError(thrown).code }, 'pledges cannot look for the join proxy there')
      return 'hidden'
    }
  }

  async function serve(place: JoinPlace, how: JoinProxySettings, configured: RegistrarRoute | undefined): Promise<Served> {
    const service = openJoinService({
      clock,
      random,
      logger,
      openJoinPort: () => place.open(0, `join-proxy:${place.id}`),
      openUplink: (route) => ports.openUplink(route.at, `join-proxy:${place.id}:uplink`),
      registrars: {
        ...(configured === undefined ? {} : { configured: [configured] }),
        ...(search === undefined ? {} : { search: { ...search.search, ...wanted(how) } }),
        ...(ports.pauseMs === undefined ? {} : { pauseMs: ports.pauseMs }),
      },
      onEvent: () => ports.changed(),
      onChange: () => ports.changed(),
    })
    return { place, service, mark: markOf(place), answers: await answersOn(place) }
  }

  async function end({ service, answers }: Served): Promise<void> {
    await service.close()
    if (typeof answers === 'object') await answers.close()
  }

  async function endAll(): Promise<void> {
    const before = served
    served = []
    await Promise.all(before.map(end))
    const old = search
    search = undefined
    running = undefined
    await old?.close()
  }

  async function bring(anew: boolean): Promise<void> {
    const how = settings()
    const chosen = closed || how.mode === 'off' ? [] : places().filter(({ id }) => how.places.includes(id))
    const mark = JSON.stringify([how.mode, how.version, how.search, how.registrar])
    if (anew || running !== mark || chosen.length === 0) await endAll()
    if (chosen.length === 0) return
    const configured = configuredRoute(how)
    if (configured === undefined) search ??= await ports.openSearch(how.search)
    running = mark
    const kept = served.filter((each) => chosen.some((place) => markOf(place) === each.mark))
    const gone = served.filter((each) => !kept.includes(each))
    served = kept
    await Promise.all(gone.map(end))
    for (const place of chosen) {
      if (kept.some((each) => each.mark === markOf(place))) continue
      const opened = await serve(place, how, configured)
      served = [...served, opened]
      await opened.service.settled()
    }
  }

  const update = (anew = false): Promise<void> => {
    turn = turn.then(async () => {
      try {
        await bring(anew)
        failure = undefined
      } catch (thrown) {
        failure = toAppError(thrown)
        logger.warn({ code: failure.code }, 'the join proxy could not be opened')
        await endAll().catch((again: unknown) => logger.error({ code: toAppError(again).code }, 'a join proxy did not close cleanly'))
      }
      ports.changed()
    })
    return turn
  }

  return {
    row() {
      const how = settings()
      const open = served.flatMap(({ place, service }) => service.proxies().map((each) => portRow(place, each)))
      const registrars = new Map(open.map(({ registrar }) => [JSON.stringify(registrar), registrar]))
      return {
        settings: how,
        state:
          failure !== undefined
            ? 'failed'
            : how.mode === 'off'
              ? 'off'
              : served.length === 0
                ? 'no-place'
                : open.length === 0
                  ? 'searching'
                  : 'serving',
        failure: failure === undefined ? null : failureRow(failure),
        registrars: [...registrars.values()],
        ports: open,
        hidden: served.flatMap(({ place, answers }) => (answers === 'hidden' ? place.id : [])),
      }
    },
    update,
    async close() {
      closed = true
      await update()
      endAnnouncement()
    },
  }
}

function wanted({ mode, version }: JoinProxySettings): Pick<RegistrarSearch, 'modes' | 'versions'> {
  return {
    ...(mode === 'stateless' || mode === 'stateful' ? { modes: [mode] } : {}),
    ...(version === 'automatic' ? {} : { versions: [version] }),
  }
}

function markOf({ id, linkLocal, zone, sharedChannel }: JoinPlace): string {
  return JSON.stringify([id, linkLocal, zone, sharedChannel])
}

function portRow(place: JoinPlace, { route, proxy }: ReturnType<JoinService['proxies']>[number]): JoinPortRow {
  const { fromPledges, toPledges, ...counters } = proxy.counters()
  const { notNeighbour, pledgeRate, totalRate, noPlace, fromStrangers, malformed, badHeaders, withheld, tooLarge } = counters
  const { pledges, mappings } = proxy.holdings()
  return {
    place: place.id,
    port: proxy.joinPort.port,
    registrar: registrarRow(route),
    pledges,
    mappings,
    fromPledges,
    toPledges,
    refused: notNeighbour + pledgeRate + totalRate + noPlace + fromStrangers + malformed + badHeaders + withheld + tooLarge,
  }
}

function registrarRow({ mode, version, at, by }: RegistrarRoute): JoinRegistrarRow {
  const host = at.address.includes(':') ? `[${at.address}${at.zone === undefined ? '' : `%25${at.zone}`}]` : at.address
  return { uri: `${mode === 'stateless' ? 'jpy' : 'coaps'}://${host}:${at.port}`, mode, version, by }
}

export function failureRow({ code, message, retryable, details }: AppError): NonNullable<JoinProxyRow['failure']> {
  return { code, message, retryable, details: { ...details } }
}
