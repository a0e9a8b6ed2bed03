// The registration authority of an open site: its certification authority, its desk, its CoAP resources and the servers above it, as one part
// that opens and closes with the site (RFC 9482, RFC 9810). Where its keys cannot be opened it says so, and the rest of the site works on.
import { AppError, KeyedFeed, toAppError, toHex, type Clock, type Logger, type Random, type Timer } from '#main/base/index.ts'
import {
  abandonLostKeys,
  Announcer,
  CmpProxy,
  Certificate,
  nameText,
  RaDesk,
  RegistrationAuthority,
  SiteCa,
  serveCmp,
  type AuditSink,
  type CmpServer,
  type KeyVault,
} from '#main/services/ra/index.ts'
import type { Inventory } from '#main/site/devices/index.ts'
import {
  createCertifiedDevices,
  createRaCounts,
  createRaStore,
  createSerialStore,
  createUpstreamStore,
  type SiteFile,
} from '#main/store/index.ts'
import type { ObservingClient, ResourceTree } from '#main/wire/coap/index.ts'
import type { RaRow } from '#contract/model.ts'
import { createEnrolmentDesk, type EnrolmentDesk } from './enrolment-desk.ts'
import { followCertificates } from './enrolment-devices.ts'
import { createAuthoritiesAbove } from './enrolment-news.ts'
import { followDeviceList } from './enrolment-listing.ts'
import { anchorRow, bytesOf, readSettings, settingsForAuthority, writeSettings, type EnrolmentSettings } from './enrolment-settings.ts'
import type { OpenAuthority } from './enrolment-types.ts'
import { upstreamRow, upstreamServers, waysTo, withoutLostCredentials } from './enrolment-upstream.ts'
import { vaultOf } from './enrolment-vault.ts'
import { authorityRow, EXPIRY_WARNING_MS } from './enrolment-views.ts'
import type { Keyring } from './keyring.ts'
import type { SiteNetwork } from './network.ts'

export interface EnrolmentPorts {
  readonly file: SiteFile
  readonly tree: ResourceTree
  readonly network: Pick<SiteNetwork, 'channels'>
  readonly inventory: Inventory
  /** Or why there is none. */
  readonly keyring: Keyring | AppError
  /** Manufacturers that are trusted whatever the site says: those of simulated devices. */
  readonly fixedManufacturers?: readonly Uint8Array[]
  /** How soon a device that waits for a decision is to ask again. */
  readonly checkAfterS?: number
  /** Where the same resources are offered over DTLS. */
  readonly securedUris?: () => readonly string[]
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface SiteEnrolment {
  readonly feed: KeyedFeed<RaRow>
  /** What people ask and decide. Throws `ra.vault-locked` where the keys cannot be opened. */
  readonly desk: EnrolmentDesk
  /** Whether certificates can be had. */
  readonly isReady: boolean
  /** Roots that devices have to trust, in DER; none while there is no authority. */
  readonly anchors: readonly Uint8Array[]
  /** Authorities that issue certificates of the site, in DER. */
  readonly issuers: readonly Uint8Array[]
  /** Roots of the manufacturers that are trusted, in DER. */
  readonly manufacturers: readonly Uint8Array[]
  /** What it consists of; undefined while its keys are shut, and then `failure` says why. */
  readonly parts: OpenAuthority | undefined
  readonly failure: AppError | undefined
  /** Called whenever that may have changed. */
  onChange(listener: () => void): () => void
  /** Where devices reach the authority may have changed. */
  networkChanged(): void
  close(): void
}

/** News come in bursts; a look at the counts for each would be too much. */
const GATHER_MS = 100
/** Certificates end without anybody doing anything. */
const LOOK_AGAIN_MS = 600_000

export async function createSiteEnrolment(ports: EnrolmentPorts): Promise<SiteEnrolment> {
  const { file, tree, network, inventory, keyring, clock, random, logger, fixedManufacturers = [] } = ports
  const feed = new KeyedFeed<RaRow>((row) => row.key)
  const counts = createRaCounts(file.database)
  const certified = createCertifiedDevices(file.database)
  const tellDevices = followCertificates({ inventory, certified: () => certified(clock.now()) })
  const listeners = new Set<() => void>()
  const ends: Array<() => void> = []
  let settings = readSettings(file)
  let failure: AppError | undefined = keyring instanceof AppError ? keyring : undefined
  let open: OpenAuthority | undefined
  let serving: { readonly server: CmpServer; readonly proxy: CmpProxy | undefined } | undefined
  let announcer: Announcer | undefined
  let version = 0
  let gathering: Timer | undefined
  let timer: Timer | undefined
  let closed = false
  /** Asked after a pause: meanwhile it may have changed. */
  const isClosed = (): boolean => closed

  /** Servers above are not behind a dongle. */
  const coapClient = (): ObservingClient | undefined => {
    const channels = network.channels()
    return (channels.find(({ kind }) => kind === 'system') ?? channels[0])?.observer
  }
  const audit: AuditSink = ({ actor, action, details }) => {
    file.audit.append(actor, action, { ...details })
  }
  const above = createAuthoritiesAbove({
    file,
    clock,
    logger,
    waysTo: (server) => {
      const { vault } = requireOpen()
      return waysTo(server, { vault, clock, random, coapClient })
    },
    client: coapClient,
    ownAuthorities: () => (open?.ca.exists === true ? open.ca.authorities.map(({ certificate }) => certificate) : []),
    trustRoot: (name, root) => {
      const upstreams = settings.upstreams.map((each) => (each.name === name ? { ...each, anchors: [...each.anchors, toHex(root)] } : each))
      return change({ ...settings, upstreams })
    },
    audit: (actor, details) => file.audit.append(actor, 'ra.news', { ...details }),
    changed: noteChange,
  })
  const manufacturers = (): readonly Uint8Array[] => [...fixedManufacturers, ...anchorsOf(settings, 'manufacturer')]

  async function openAuthority(vault: KeyVault): Promise<OpenAuthority> {
    const store = createRaStore(file.database)
    const ca = await SiteCa.open({
      store,
      serials: createSerialStore(file.database),
      vault,
      clock,
      random,
      audit,
      // Asked at each certificate: where this is reached is known only when the network is up.
      get crlUris() {
        const [first] = urisOf(network)
        return first === undefined ? [] : [`${first}/crl`]
      },
    })
    const authority = new RegistrationAuthority({
      store,
      ca,
      vault,
      clock,
      random,
      logger,
      audit,
      settings: { ...settingsForAuthority(settings), ...(ports.checkAfterS === undefined ? {} : { checkAfterS: ports.checkAfterS }) },
      manufacturerAnchors: manufacturers(),
      trustedRas: anchorsOf(settings, 'authority'),
      onChange: noteChange,
    })
    ends.push(ca.subscribe(noteChange))
    return { ca, authority, desk: new RaDesk(authority), vault }
  }

  /** Hangs the resources up, anew where the servers above have changed. */
  async function serve({ authority, ca, vault }: OpenAuthority): Promise<void> {
    const isRevoked = above.isRevoked.bind(above)
    const servers = await upstreamServers(settings.upstreams, { vault, clock, random, coapClient, isRevoked })
    if (closed) return
    above.follow(settings.upstreams)
    announcer ??= new Announcer({ ca, clock, random })
    serving?.server.close()
    serving?.proxy?.close()
    const store = createUpstreamStore(file.database)
    const proxy = servers.length === 0 ? undefined : new CmpProxy({ authority, servers, clock, random, logger, store })
    await proxy?.takeUp()
    if (isClosed()) {
      proxy?.close()
      return
    }
    const server = serveCmp({ registry: tree, authority, clock, announcer, ...(proxy === undefined ? {} : { upstream: proxy }) })
    serving = { server, proxy }
  }

  function noteChange(): void {
    if (closed) return
    version += 1
    gathering ??= clock.setTimer(GATHER_MS, show)
  }

  function show(): void {
    gathering?.cancel()
    gathering = undefined
    timer?.cancel()
    timer = clock.setTimer(LOOK_AGAIN_MS, show)
    tellDevices()
    feed.set(rowNow())
    for (const listener of [...listeners]) listener()
  }

  function rowNow(): RaRow {
    const { pending, preRegistered, valid, expiring, expired, revoked, devices } = counts(clock.now(), EXPIRY_WARNING_MS)
    const authorities = (open?.ca.describe() ?? []).map((info) =>
      authorityRow(info, info.certificate === undefined ? undefined : open?.ca.crl(info.id)),
    )
    const protection = open?.vault.protection
    return {
      key: 'ra',
      version,
      state: open === undefined ? 'locked' : open.ca.exists ? 'ready' : authorities.length > 0 ? 'awaiting-certificate' : 'none',
      failure:
        failure === undefined
          ? null
          : { code: failure.code, message: failure.message, retryable: failure.retryable, details: { ...failure.details } },
      protection: protection === undefined || protection === 'memory' ? null : protection,
      pending,
      preRegistered,
      valid,
      expiring,
      expired,
      revoked,
      devicesEnrolled: devices,
      policy: settings.policy,
      profiles: [...settings.profiles],
      authorities,
      anchors: [
        ...fixedManufacturers.map((der) => anchorRow('manufacturer', der, true)),
        ...settings.anchors.map(({ kind, der }) => anchorRow(kind, bytesOf(der), false)),
      ],
      upstreams: settings.upstreams.map((server) => upstreamRow(server, above.listening(server.name))),
      offers: above.rows.filter(({ outcome }) => outcome === 'offered').length,
      uris: [...urisOf(network), ...(ports.securedUris?.() ?? [])].map((uri) => `${uri}/.well-known/cmp`),
    }
  }

  /** Keeps and enforces what was chosen. Throws what the authority throws; then nothing has changed. */
  async function change(next: EnrolmentSettings): Promise<void> {
    const parts = requireOpen()
    const previous = settings
    parts.authority.configure(settingsForAuthority(next))
    settings = next
    try {
      parts.authority.trust(manufacturers(), anchorsOf(next, 'authority'))
      writeSettings(file, next)
    } catch (thrown) {
      settings = previous
      parts.authority.configure(settingsForAuthority(previous))
      parts.authority.trust(manufacturers(), anchorsOf(previous, 'authority'))
      throw thrown
    }
    if (next.upstreams !== previous.upstreams) await serve(parts)
    else serving?.server.refresh()
    noteChange()
    show()
  }

  function requireOpen(): OpenAuthority {
    if (open !== undefined) return open
    throw failure ?? new AppError('ra.vault-locked', 'The keys of the authority cannot be opened')
  }

  async function openUp(vault: KeyVault): Promise<void> {
    try {
      open = await openAuthority(vault)
      await serve(open)
      ends.push(followDeviceList({ inventory, desk: open.desk, clock, logger }))
      failure = undefined
    } catch (thrown) {
      const { code } = toAppError(thrown)
      open?.authority.close()
      open?.ca.close()
      open = undefined
      failure =
        code === 'crypto.authentication-failed' || code === 'security.locked'
          ? new AppError('ra.vault-locked', 'The keys of the authority were sealed by another keyring', { cause: thrown })
          : toAppError(thrown)
      logger.error({ code }, 'the registration authority cannot be opened')
    }
  }

  /** Where the keyring that sealed the keys is gone for good: without them, so that a new authority can be made. */
  async function startOver(actor: string): Promise<void> {
    if (open !== undefined) throw new AppError('ra.state-invalid', 'The keys of the authority are open: it can be rolled over')
    if (keyring instanceof AppError) throw keyring
    const vault = vaultOf(keyring)
    const lost = await abandonLostKeys({ store: createRaStore(file.database), vault })
    settings = await withoutLostCredentials(settings, vault)
    writeSettings(file, settings)
    audit({ action: 'ra.keys-abandoned', actor, details: { ...lost } })
    await openUp(vault)
    show()
    requireOpen()
  }

  if (!(keyring instanceof AppError)) await openUp(vaultOf(keyring))
  show()

  return {
    feed,
    desk: createEnrolmentDesk({
      parts: requireOpen,
      settings: () => settings,
      change,
      startOver,
      // What was just done is seen at once by who did it.
      done: show,
      log: (actor, details) => file.audit.append(actor, 'ra.configured', { ...details }),
      nameOf: (id) => inventory.get(id)?.name,
      isFixed: (fingerprint) => fixedManufacturers.some((der) => toHex(new Certificate(der).fingerprint()) === fingerprint),
      isMaker: (fingerprint) => makersOf(manufacturers()).has(fingerprint),
      makerName: (fingerprint) => makersOf(manufacturers()).get(fingerprint) ?? fingerprint,
      siteName: () => file.meta().name,
      coapClient,
      above,
      clock,
      random,
    }),
    get isReady() {
      return open?.ca.exists === true
    },
    get anchors() {
      if (open?.ca.exists !== true) return []
      return open.ca.authorities.map(({ certificate, record }) => record.chain.at(-1) ?? certificate.bytes)
    },
    get issuers() {
      return open?.ca.exists === true ? open.ca.authorities.map(({ certificate }) => certificate.bytes) : []
    },
    get manufacturers() {
      return manufacturers()
    },
    get parts() {
      return open
    },
    get failure() {
      return failure
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    networkChanged() {
      above.again()
      noteChange()
    },
    close() {
      closed = true
      gathering?.cancel()
      timer?.cancel()
      for (const end of ends.toReversed()) end()
      above.close()
      serving?.server.close()
      announcer?.close()
      serving?.proxy?.close()
      open?.authority.close()
      open?.ca.close()
    },
  }
}

function anchorsOf({ anchors }: EnrolmentSettings, kind: 'manufacturer' | 'authority'): readonly Uint8Array[] {
  return anchors.filter((each) => each.kind === kind).map(({ der }) => bytesOf(der))
}

/** Subjects of manufacturers by the SHA-256 of their certificates. */
function makersOf(manufacturers: readonly Uint8Array[]): ReadonlyMap<string, string> {
  return new Map(
    manufacturers.map((der) => {
      const certificate = new Certificate(der)
      return [toHex(certificate.fingerprint()), nameText(certificate.subject)]
    }),
  )
}

/** Behind a dongle first: that is where devices are. */
function urisOf(network: Pick<SiteNetwork, 'channels'>): readonly string[] {
  return network
    .channels()
    .toSorted((a, b) => Number(b.kind === 'mesh') - Number(a.kind === 'mesh'))
    .map(({ local: { address, port } }) => `coap://${address.includes(':') ? `[${address}]` : address}${port === 5683 ? '' : `:${port}`}`)
}
