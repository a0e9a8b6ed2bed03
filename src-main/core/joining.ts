// Joining at an open site: the registrar with its certificate, makers and vouchers, what join proxies and pledges are told, and what follows the
// enrolment (RFC 8995, draft-ietf-anima-constrained-voucher §6, draft-ietf-anima-constrained-join-proxy-20).
import { AppError, toAppError, type Clock, type Logger, type Random } from '#main/base/index.ts'
import {
  announceRegistrar,
  Callers,
  createHttpsMasaClient,
  createRegistrar,
  isProxiedSource,
  proxyOfSource,
  registrarLinks,
  renewRegularly,
  VoucherDesk,
  type Asked,
  type AuditLog,
  type JoinGate,
  type MasaClient,
  type PledgeIdentity,
  type Registrar,
  type RegistrarCredential,
  type RenewalOutcome,
  type VoucherSigner,
} from '#main/services/join/index.ts'
import type { ResourceDirectory } from '#main/services/rd/index.ts'
import type { Inventory } from '#main/site/devices/index.ts'
import { createVoucherStore, type SiteFile } from '#main/store/index.ts'
import type { IncomingRequest, ResourceTree } from '#main/wire/coap/index.ts'
import { serveContexts } from './context-delivery.ts'
import type { OpenAuthority } from './enrolment-types.ts'
import type { JoinAddresses } from './join-addresses.ts'
import type { JoinMakers } from './join-makers.ts'
import type { JoinSettings } from './join-settings.ts'
import type { SiteNetwork } from './network.ts'
import { hasNames, registrarKeeper, registrarNames, registrarSubject } from './registrar-keeper.ts'
import type { SiteSecurity } from './security.ts'
import { createVoucherFiles, type VoucherFiles } from './voucher-files.ts'

export interface JoiningPorts {
  readonly file: SiteFile
  readonly tree: ResourceTree
  readonly network: Pick<SiteNetwork, 'sessionOf' | 'hangUp'>
  readonly addresses: JoinAddresses
  readonly directory: ResourceDirectory
  readonly makers: JoinMakers
  readonly settings: () => JoinSettings
  readonly inventory: Inventory
  readonly security: Pick<SiteSecurity, 'share'>
  readonly gate: JoinGate
  /** Told when vouchers can be imported, and when not any more. */
  readonly connectVouchers: (files: VoucherFiles | undefined) => void
  /** What a maker has told of a device that trusts us now, or why it has not. */
  readonly onMakerLog: (pledge: PledgeIdentity, log: AuditLog | AppError, ownChain: readonly Uint8Array[]) => void
  /** How a round of renewals went. */
  readonly onRenewed: (outcomes: readonly RenewalOutcome[] | AppError) => void
  /** A maker's server within this program, for simulated devices; by HTTPS unless told. */
  readonly masa?: MasaClient | undefined
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface SiteJoining {
  /** Undefined while there is no authority. */
  readonly registrar: Registrar | undefined
  /** Vouchers; undefined with the registrar. */
  readonly desk: VoucherDesk | undefined
  /** Whether stateless join proxies are to be served. */
  readonly wantsJoinPort: boolean
  /** The registrar with a certificate for these addresses. Fails as the vault and the authority do. */
  open(parts: OpenAuthority, addresses: readonly string[]): Promise<Registrar>
  /** There is no authority any more, or its keys are shut. */
  shut(): void
  /** Where proxies find the registrar may have changed. */
  networkChanged(): void
  close(): void
}

const DIRECTORY_ENTRY = 'registrar'
/** Below which the short paths of EST and BRSKI are told (constrained-voucher §6.3). */
const SHORT_ROOT = '/b'

interface Running {
  readonly parts: OpenAuthority
  readonly registrar: Registrar
  readonly credential: RegistrarCredential
  readonly desk: VoucherDesk
  readonly ends: ReadonlyArray<() => void>
}

export function createSiteJoining(ports: JoiningPorts): SiteJoining {
  const { file, tree, network, addresses, directory, makers, settings, inventory, security, gate, clock, random, logger } = ports
  let running: Running | undefined

  const signer = (): VoucherSigner => {
    const credential = running?.registrar.credential
    if (credential === undefined) throw new AppError('join.registrar-absent', 'The registrar has no certificate')
    return { key: credential.key, chain: credential.wholeChain }
  }
  const proxyOf = ({ source }: IncomingRequest): string | undefined => {
    if (!isProxiedSource(source)) return undefined
    const { address, zone } = proxyOfSource(source)
    return zone === undefined ? address : `${address}%${zone}`
  }
  /** Each place has ports of its own. */
  const at = (channelOf: (request?: Asked) => string) => ({
    jpy: (request?: Asked) => {
      const port = addresses.portOf('jpy', channelOf(request))
      return port === undefined ? undefined : { port, versions: ['20', '01'] as const }
    },
    coaps: (request?: Asked) => {
      const port = addresses.portOf('coaps', channelOf(request))
      return port === undefined ? undefined : { port, path: SHORT_ROOT }
    },
  })
  const announced = {
    ...at((request) => request?.channelId ?? ''),
    routable: ({ channelId, source }: IncomingRequest) => addresses.routable(channelId, source),
  }

  async function start(parts: OpenAuthority, addresses: readonly string[]): Promise<Running> {
    const { id } = file.meta()
    const names = registrarNames(id, addresses)
    const store = createVoucherStore(file.database)
    const isOffline = (): boolean => settings().offline
    const desk = new VoucherDesk({
      store,
      masa: ports.masa ?? createHttpsMasaClient({ clock, registrar: signer, isOffline }),
      clock,
      registrar: signer,
      makers: () => makers.list(),
      isOffline,
      onAsked: (makerId, failure) => makers.asked(makerId, failure),
    })
    const { authority, vault } = parts
    const registrar = await createRegistrar({
      registry: tree,
      authority,
      vault,
      keeper: registrarKeeper(file, names),
      vouchers: desk,
      gate,
      settings: { subject: registrarSubject(id), altNames: names },
      onAuditLog: (pledge, log) => ports.onMakerLog(pledge, log, running?.registrar.credential?.wholeChain ?? []),
      sessionOf: (request) => network.sessionOf(request),
      disconnect: (request) => network.hangUp(request),
      clock,
      random,
      logger,
    })
    const { credential } = registrar
    if (credential === undefined) {
      registrar.close()
      throw new AppError('join.registrar-absent', 'The registrar has no certificate', { retryable: true })
    }
    const endContexts = serveContexts({
      registry: tree,
      callers: new Callers({ authority, allowsUnknownMakers: false }),
      gate,
      inventory,
      issue: (deviceId) => security.share(deviceId),
      proxyOf,
      clock,
      logger,
    })
    ports.connectVouchers(
      createVoucherFiles({
        desk,
        store,
        makers: () => makers.list(),
        clock,
        audit: (actor, action, details) => file.audit.append(actor, action, details),
      }),
    )
    const endRenewals = renewRegularly({ desk, clock, onRenewed: ports.onRenewed, onTrouble: ports.onRenewed })
    return {
      parts,
      registrar,
      credential,
      desk,
      ends: [() => registrar.close(), endContexts, announceRegistrar(tree, announced), () => ports.connectVouchers(undefined), endRenewals],
    }
  }

  function shut(): void {
    const before = running
    running = undefined
    for (const end of before?.ends.toReversed() ?? []) end()
    if (before !== undefined) publish()
  }

  /** For proxies that look in the directory (draft -20 §5.2.1). */
  function publish(): void {
    try {
      const place = running === undefined ? undefined : addresses.first()
      const known = directory.find(DIRECTORY_ENTRY)
      const isOurs = known !== undefined && known.source === undefined
      if (place === undefined) {
        if (isOurs) directory.remove(known.id)
        return
      }
      const { address, channelId } = place
      const links = registrarLinks(
        address,
        at(() => channelId),
      )
      if (links.length === 0) return
      directory.registerOwnLinks({ endpointName: DIRECTORY_ENTRY, base: `coap://${hostOf(address)}`, links })
    } catch (thrown) {
      logger.warn({ code: toAppError(thrown).code }, 'the registrar could not be registered at the directory')
    }
  }

  return {
    get registrar() {
      return running?.registrar
    },
    get desk() {
      return running?.desk
    },
    get wantsJoinPort() {
      return settings().joinPort
    },
    async open(parts, addresses) {
      const now = running?.registrar.credential
      const isFit = now !== undefined && hasNames(now.certificate, registrarNames(file.meta().id, addresses))
      if (running?.parts === parts && isFit) return running.registrar
      shut()
      running = await start(parts, addresses)
      return running.registrar
    },
    shut,
    networkChanged: publish,
    close: shut,
  }
}

function hostOf(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}
