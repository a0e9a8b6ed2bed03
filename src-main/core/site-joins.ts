// Joining at an open site, put together: what is set, makers, addresses, the registrar's part, and what people see of it.
import { AppError, type Clock, type Logger, type Random } from '#main/base/index.ts'
import type { AuditLog, MasaClient, RenewalOutcome } from '#main/services/join/index.ts'
import type { ResourceDirectory } from '#main/services/rd/index.ts'
import type { Admission } from '#main/site/admission/index.ts'
import type { Inventory } from '#main/site/devices/index.ts'
import { createMakerLogs, createRaStore, type SiteFile } from '#main/store/index.ts'
import type { ResourceTree } from '#main/wire/coap/index.ts'
import type { SiteEnrolment } from './enrolment.ts'
import type { NetworkInterface } from './interfaces.ts'
import { createJoinAddresses } from './join-addresses.ts'
import { createJoinDesk, type JoinDesk, type JoinDeskPorts, type JoinNews } from './join-desk.ts'
import { createJoinMakers } from './join-makers.ts'
import { makerLogOf } from './join-maker-log.ts'
import { createRetirement, type Retirement } from './join-retirement.ts'
import { keepJoinSettings } from './join-settings.ts'
import { createSiteJoining, type SiteJoining } from './joining.ts'
import type { SiteNetwork } from './network.ts'
import type { SiteSecurity } from './security.ts'

export interface SiteJoinsPorts {
  readonly file: SiteFile
  readonly tree: ResourceTree
  readonly network: SiteNetwork
  readonly directory: ResourceDirectory
  readonly enrolment: SiteEnrolment
  readonly inventory: Inventory
  readonly security: Pick<SiteSecurity, 'share'>
  readonly admission: Admission
  readonly interfaces: () => readonly NetworkInterface[]
  /** A maker's server within this program, for simulated devices; by HTTPS unless told. */
  readonly masa: MasaClient | undefined
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface SiteJoins {
  readonly joining: SiteJoining
  readonly retirement: Retirement
  /** What people see and steer; its owner closes it. */
  openDesk(ports: Pick<JoinDeskPorts, 'coaps' | 'links' | 'dnsSd'>): JoinDesk
}

export function createSiteJoins(ports: SiteJoinsPorts): SiteJoins {
  const { file, tree, network, directory, enrolment, inventory, security, admission, interfaces, masa, clock, random, logger } = ports
  let desk: JoinDesk | undefined
  const news: JoinNews = { lastRound: null, makerLogVersion: 0 }
  const logs = createMakerLogs(file.database)
  const makers = createJoinMakers({
    manufacturers: () => enrolment.manufacturers,
    settings: () => settings.now,
    simulated: masa !== undefined,
    clock,
    changed: () => desk?.show(),
  })
  const settings = keepJoinSettings(file, () => makers.ids())
  const retirement = createRetirement({
    gate: admission.gate,
    records: createRaStore(file.database),
    revoke: (serial, reason, actor, remark) => {
      enrolment.parts?.ca.revoke(serial, reason, actor, remark)
    },
    pledges: () => admission.pledgeFeed.rows(),
    serialOf: (key) => (admission.pledgeFeed.get(key) === undefined ? null : admission.pledge(key).certificateSerial),
    logger,
  })
  const onRenewed = (outcomes: readonly RenewalOutcome[] | AppError): void => {
    const all = outcomes instanceof AppError ? [] : outcomes
    const renewed = all.filter(({ ok }) => ok).length
    const code = outcomes instanceof AppError ? outcomes.code : (all.find((each) => !each.ok)?.code ?? null)
    news.lastRound = { at: clock.now(), renewed, failed: all.length - renewed, code }
    if (renewed > 0) file.audit.append('groupwright', 'join.vouchers-renewed', { renewed, failed: all.length - renewed })
    desk?.show()
  }
  const onMakerLog = (key: string, told: AuditLog | AppError, ownChain: readonly Uint8Array[]): void => {
    // Where the maker was not asked for the voucher, there is nothing to ask for.
    if (told instanceof AppError && told.code === 'voucher.missing') return
    logs.save(key, makerLogOf(told, ownChain, clock.now()))
    news.makerLogVersion += 1
    desk?.show()
  }
  const joining = createSiteJoining({
    file,
    tree,
    network,
    addresses: createJoinAddresses({ network, interfaces }),
    directory,
    makers,
    settings: () => settings.now,
    inventory,
    security,
    gate: retirement.gate,
    connectVouchers: (files) => admission.connectVouchers(files),
    onMakerLog: ({ key }, told, ownChain) => onMakerLog(key, told, ownChain),
    onRenewed,
    masa,
    clock,
    random,
    logger,
  })
  return {
    joining,
    retirement,
    openDesk(more) {
      desk = createJoinDesk({
        file,
        tree,
        network,
        joining,
        makers,
        settings,
        logs,
        news,
        onRenewed,
        interfaces,
        clock,
        random,
        logger,
        ...more,
      })
      return desk
    },
  }
}
