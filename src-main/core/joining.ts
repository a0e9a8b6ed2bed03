// Joining at an open site: the registrar with its certificate, makers and vouchers, what join proxies and pledges are told, and what follows the
// enrolment (RFC 8995, draft-ietf-anima-constrained-voucher §6, draft-ietf-anima-constrained-join-proxy-20).
import { AppError, toAppError, toHex, type Clock, type Logger, type Random } from '#main/base/index.ts'
import {
  announceRegistrar,
  Callers,
  createHttpsMasaClient,
  createRegistrar,
  isProxiedSource,
  proxyOfSource,
  registrarLinks,
  VoucherDesk,
  type JoinGate,
  type Maker,
  type MasaClient,
  type Registrar,
  type RegistrarCredential,
  type VoucherSigner,
} from '#main/services/join/index.ts'
import { Certificate, nameText } from '#main/services/ra/index.ts'
import type { ResourceDirectory } from '#main/services/rd/index.ts'
import type { Inventory } from '#main/site/devices/index.ts'
import { createVoucherStore, type SiteFile } from '#main/store/index.ts'
import type { IncomingRequest, ResourceTree } from '#main/wire/coap/index.ts'
import { serveContexts } from './context-delivery.ts'
import type { OpenAuthority } from './enrolment-types.ts'
import type { SiteEnrolment } from './enrolment.ts'
import type { SiteNetwork } from './network.ts'
import { hasNames, registrarKeeper, registrarNames, registrarSubject } from './registrar-keeper.ts'
import type { SiteSecurity } from './security.ts'
import { createVoucherFiles, type VoucherFiles } from './voucher-files.ts'

export interface JoiningPorts {
  readonly file: SiteFile
  readonly tree: ResourceTree
  readonly network: Pick<SiteNetwork, 'listening' | 'channels' | 'sessionOf' | 'hangUp'>
  readonly directory: ResourceDirectory
  readonly enrolment: Pick<SiteEnrolment, 'manufacturers'>
  readonly inventory: Inventory
  readonly security: Pick<SiteSecurity, 'share'>
  readonly gate: JoinGate
  /** Told when vouchers can be imported, and when not any more. */
  readonly connectVouchers: (files: VoucherFiles | undefined) => void
  /** A maker's server within this program, for simulated devices; by HTTPS unless told. */
  readonly masa?: MasaClient | undefined
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface SiteJoining {
  /** Undefined while there is no authority. */
  readonly registrar: Registrar | undefined
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
/** Stands for the server that is handed in; nothing is looked up. */
const MASA_WITHIN = 'masa.invalid'

interface Running {
  readonly parts: OpenAuthority
  readonly registrar: Registrar
  readonly credential: RegistrarCredential
  readonly ends: ReadonlyArray<() => void>
}

export function createSiteJoining(ports: JoiningPorts): SiteJoining {
  const { file, tree, network, directory, enrolment, inventory, security, gate, clock, random, logger } = ports
  let running: Running | undefined

  const makers = (): readonly Maker[] =>
    enrolment.manufacturers.map((der) => {
      const certificate = new Certificate(der)
      const here = ports.masa === undefined ? {} : { masaUrl: MASA_WITHIN }
      return { id: toHex(certificate.fingerprint()), name: nameText(certificate.subject), anchors: [der], ...here }
    })
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
  /** Ports are the same wherever the site listens, unless somebody chose another for the system's socket. */
  const portOf = (scheme: 'coaps' | 'jpy'): number | undefined => network.listening.find((at) => at.scheme === scheme)?.port
  const announced = {
    jpy: () => {
      const port = portOf('jpy')
      return port === undefined ? undefined : { port, versions: ['20', '01'] as const }
    },
    coaps: () => {
      const port = portOf('coaps')
      return port === undefined ? undefined : { port, path: SHORT_ROOT }
    },
    routable: ({ channelId }: IncomingRequest) => routableOf(network.channels().find(({ client }) => client.channelId === channelId)),
  }

  async function start(parts: OpenAuthority, addresses: readonly string[]): Promise<Running> {
    const { id } = file.meta()
    const names = registrarNames(id, addresses)
    const store = createVoucherStore(file.database)
    const offline = (): boolean => false
    const desk = new VoucherDesk({
      store,
      masa: ports.masa ?? createHttpsMasaClient({ clock, registrar: signer, isOffline: offline }),
      clock,
      registrar: signer,
      makers,
      isOffline: offline,
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
      createVoucherFiles({ desk, store, makers, clock, audit: (actor, action, details) => file.audit.append(actor, action, details) }),
    )
    return {
      parts,
      registrar,
      credential,
      ends: [() => registrar.close(), endContexts, announceRegistrar(tree, announced), () => ports.connectVouchers(undefined)],
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
      const place = network.channels().find(({ kind }) => kind === 'mesh') ?? network.channels()[0]
      const address = running === undefined ? undefined : routableOf(place)
      const known = directory.find(DIRECTORY_ENTRY)
      const isOurs = known !== undefined && known.source === undefined
      if (address === undefined) {
        if (isOurs) directory.remove(known.id)
        return
      }
      const links = registrarLinks(address, announced)
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

function routableOf(place: ReturnType<SiteNetwork['channels']>[number] | undefined): string | undefined {
  const address = place?.local.address
  return address === '::' || address === '0.0.0.0' ? undefined : address
}

function hostOf(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}
