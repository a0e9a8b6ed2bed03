// A registration authority over UDP that hands requests on to another one over HTTP, with everything in an SQLite file, in a process of its own: what a
// test kills.   node test/interop/ra-upstream-server.ts JSON      prints the port and its root when it listens, and runs until killed
import Database from 'better-sqlite3'
import { importSigningKey, silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import {
  Certificate,
  CmpProxy,
  createHttpTransport,
  RaDesk,
  RegistrationAuthority,
  serveCmp,
  SiteCa,
  type UpstreamServer,
} from '#main/services/ra/index.ts'
import { createRaStore, createSerialStore, createUpstreamStore } from '#main/store/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { migrations } from '../../src-main/store/migrations/index.ts'
import { vaultOfKey } from '../services/ra/vault.ts'

export interface UpstreamServerPlan {
  readonly file: string
  readonly mode: UpstreamServer['mode']
  readonly url: string
  /** DER in base64. */
  readonly customer: string
  readonly manufacturer: string
  readonly certificate: string
  readonly key: string
  readonly devices: number
}

const plan = JSON.parse(process.argv[2] ?? '{}') as UpstreamServerPlan
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'))
const database = new Database(plan.file)
database.pragma('journal_mode = WAL')
database.pragma('synchronous = FULL')
database.pragma('foreign_keys = ON')
if (database.pragma('user_version', { simple: true }) === 0) {
  database.transaction(() => {
    for (const step of migrations) database.exec(step)
    database.pragma('user_version = 1')
  })()
}
const ports = { clock: systemClock, random: systemRandom, logger: silentLogger }
const store = createRaStore(database)
const vault = vaultOfKey(new Uint8Array(32).fill(7), systemRandom, 'memory')
const ca = await SiteCa.open({ ...ports, store, vault, serials: createSerialStore(database) })
if (!ca.exists) await ca.createRoot({ subject: 'CN=Site CA', algorithm: 'P-256' }, 'test')
const authority = new RegistrationAuthority({ ...ports, store, vault, ca, manufacturerAnchors: [bytes(plan.manufacturer)] })
const names = Array.from({ length: plan.devices }, (_, index) => `lamp-${index}`)
await new RaDesk(authority).preRegister(
  names.map((name) => ({ reference: name, identities: [name] })),
  'test',
)
const proxy = new CmpProxy({
  ...ports,
  authority,
  store: createUpstreamStore(database),
  limits: { retryS: 1, checkAfterS: 1 },
  servers: [
    {
      name: 'customer',
      connect: () => createHttpTransport({ url: plan.url, clock: systemClock, chunked: false }),
      select: 'default',
      mode: plan.mode,
      anchors: [bytes(plan.customer)],
      protector: {
        kind: 'signature',
        key: importSigningKey(bytes(plan.key)),
        certificate: new Certificate(bytes(plan.certificate)),
        chain: [],
      },
    },
  ],
})
await proxy.takeUp()
const tree = new ResourceTree()
serveCmp({ registry: tree, authority, clock: systemClock, upstream: proxy, rates: { burst: 1_000_000, perMinute: 1_000_000 } })
const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
new CoapEndpoint({ channel, tree, ...ports })
console.log(`${channel.local.port} ${Buffer.from(ca.active.certificate.bytes).toString('base64')}`)
