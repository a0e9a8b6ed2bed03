// Joining as people see and steer it: one row of state, and one method for each op (RFC 8995, draft-ietf-anima-constrained-join-proxy-20).
import { AppError, KeyedFeed, type Clock, type Logger, type Random, type Timer } from '#main/base/index.ts'
import { JOIN_SERVICES, type RenewalOutcome } from '#main/services/join/index.ts'
import { createVoucherStore, type KeptMakerLogs, type SiteFile } from '#main/store/index.ts'
import type { ResourceTree } from '#main/wire/coap/index.ts'
import type { Advertisement, JoiningRow, LinkRow, MakerLog, VoucherRow } from '#contract/model.ts'
import type { OpOutput, OpParsed } from '#contract/ops.ts'
import { createAdvertising, NOT_ADVERTISED } from './advertising.ts'
import type { SiteCoaps } from './coaps.ts'
import { createServiceBrowser } from './dns-sd-browse.ts'
import type { DnsSd } from './dns-sd.ts'
import type { NetworkInterface } from './interfaces.ts'
import type { JoinMakers } from './join-makers.ts'
import { joinPlaces } from './join-places.ts'
import { createSiteJoinProxy, failureRow } from './join-proxy.ts'
import { openRegistrarSearch } from './join-search.ts'
import type { JoinSettingsKeeper } from './join-settings.ts'
import type { SiteJoining } from './joining.ts'
import { uriOf } from './network-secured.ts'
import type { SiteNetwork } from './network.ts'
import { voucherRows } from './voucher-files.ts'

/** What has happened since the program was started. */
export interface JoinNews {
  lastRound: JoiningRow['vouchers']['lastRound']
  makerLogVersion: number
}

export interface JoinDeskPorts {
  readonly file: SiteFile
  readonly tree: ResourceTree
  readonly network: SiteNetwork
  readonly joining: SiteJoining
  readonly coaps: SiteCoaps
  readonly makers: JoinMakers
  readonly settings: JoinSettingsKeeper
  readonly logs: KeptMakerLogs
  readonly news: Readonly<JoinNews>
  readonly onRenewed: (outcomes: readonly RenewalOutcome[]) => void
  readonly links: () => readonly LinkRow[]
  readonly interfaces: () => readonly NetworkInterface[]
  /** Undefined where the program is not to advertise. */
  readonly dnsSd: DnsSd | undefined
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface JoinDesk {
  readonly feed: KeyedFeed<JoiningRow>
  setOffline(input: OpParsed<'joining.setOffline'>): void
  setMaker(input: OpParsed<'joining.setMaker'>): void
  setRegistrar(input: OpParsed<'joining.setRegistrar'>): Promise<void>
  setProxy(input: OpParsed<'joining.setProxy'>): Promise<void>
  searchNow(): Promise<void>
  renewVouchers(): Promise<OpOutput<'joining.renewVouchers'>>
  fetchVoucher(input: OpParsed<'joining.fetchVoucher'>, actor: string): Promise<VoucherRow>
  makerLog(key: string): { log: MakerLog | null }
  /** Something shown here may have changed. */
  show(): void
  close(): Promise<void>
}

/** Counters and interfaces are looked at as often; nobody tells when they change. */
const LOOK_MS = 5000

export function createJoinDesk(ports: JoinDeskPorts): JoinDesk {
  const { file, tree, network, joining, coaps, makers, settings, logs, news, links, interfaces, dnsSd, clock, random, logger } = ports
  const feed = new KeyedFeed<JoiningRow>((row) => row.key)
  const vouchers = createVoucherStore(file.database)
  let closed = false
  let timer: Timer | undefined

  const places = () => joinPlaces({ network, interfaces: interfaces(), links: links(), logger })
  const proxy = createSiteJoinProxy({
    settings: () => settings.now.proxy,
    places: () => places().flatMap(({ served }) => served ?? []),
    openUplink: (to, id) => network.openTowards(to, id),
    openSearch: (by) =>
      openRegistrarSearch(by, {
        network,
        interfaces,
        browser: createServiceBrowser({ interfaces, clock, logger }),
        clock,
        random,
        logger,
      }),
    tree,
    changed: () => show(),
    clock,
    random,
    logger,
  })
  const advertising =
    dnsSd === undefined
      ? undefined
      : createAdvertising({
          service: { type: JOIN_SERVICES.registrar, text: {}, scheme: 'jpy' },
          dnsSd,
          logger,
          siteId: file.meta().id,
          siteName: () => file.meta().name,
          listening: () => network.listening,
          interfaces,
          changed: () => show(),
        })

  function registrarState(): JoiningRow['registrar'] {
    const { joinPort, advertised } = settings.now
    const doors = network.listening.filter(({ scheme }) => scheme === 'jpy')
    const { state } = coaps
    const failure = state.kind === 'failed' ? state.error : network.secured().find((each) => each.failure !== undefined)?.failure
    const base: Advertisement = { ...(advertising?.state ?? NOT_ADVERTISED), wanted: advertised }
    return {
      joinPort,
      state: !joinPort ? 'off' : doors.length > 0 ? 'listening' : state.kind === 'no-authority' ? 'no-authority' : 'failed',
      failure: !joinPort || doors.length > 0 || failure === undefined ? null : failureRow(failure),
      uris: doors.map((at) => uriOf('jpy', at)),
      advertisement: base,
    }
  }

  function show(): void {
    if (closed) return
    const { offline } = settings.now
    const row: JoiningRow = {
      key: 'joining',
      offline,
      makers: makers.rows(),
      places: places().map(({ row }) => row),
      registrar: registrarState(),
      proxy: proxy.row(),
      vouchers: { kept: vouchers.count(), ending: joining.desk?.warnings().length ?? 0, lastRound: news.lastRound },
      makerLogVersion: news.makerLogVersion,
    }
    if (JSON.stringify(feed.get(row.key)) !== JSON.stringify(row)) feed.set(row)
  }

  const look = (): void => {
    timer = clock.setTimer(LOOK_MS, () => {
      void follow().finally(() => {
        if (!closed) look()
      })
    })
  }
  let listening = ''
  /** Brings proxy and advertisement into line with where the site listens, and with the links that there are. */
  async function follow(): Promise<void> {
    const now = JSON.stringify([settings.now.advertised, network.listening.filter(({ scheme }) => scheme === 'jpy'), interfaces()])
    if (now !== listening) {
      listening = now
      await advertising?.update(settings.now.advertised && settings.now.joinPort)
    }
    if (!closed) await proxy.update()
  }

  const endCoaps = coaps.onChange(() => void follow())
  show()
  if (settings.now.proxy.mode !== 'off' || settings.now.advertised) void follow()
  look()

  function requireDesk(): NonNullable<SiteJoining['desk']> {
    if (joining.desk === undefined) throw new AppError('join.registrar-absent', 'No registrar runs for this site', { retryable: true })
    return joining.desk
  }

  return {
    feed,
    setOffline({ offline }) {
      settings.setOffline(offline)
      show()
    },
    setMaker(input) {
      settings.setMaker(input)
      show()
    },
    async setRegistrar(input) {
      settings.setRegistrar(input)
      await coaps.networkChanged()
      await follow()
      show()
    },
    async setProxy(input) {
      settings.setProxy(input)
      await follow()
      show()
    },
    async searchNow() {
      await proxy.update(true)
    },
    async renewVouchers() {
      const outcomes = await requireDesk().renew()
      ports.onRenewed(outcomes)
      return {
        renewed: outcomes.filter(({ ok }) => ok).length,
        failed: outcomes.flatMap((each) => (each.ok ? [] : { serialNumber: each.serialNumber, code: each.code, detail: each.why })),
      }
    },
    async fetchVoucher({ maker, serialNumber }, actor) {
      const record = await requireDesk().fetchAhead({ makerId: maker, serialNumber })
      file.audit.append(actor, 'join.voucher-fetched', { serialNumber, voucher: record.id })
      show()
      return voucherRows(() => makers.list(), clock)(record)
    },
    makerLog: (key) => ({ log: logs.get(key) ?? null }),
    show,
    async close() {
      closed = true
      timer?.cancel()
      endCoaps()
      await proxy.close()
      await advertising?.close()
    },
  }
}
