// A registration authority over UDP with everything in an SQLite file, in a process of its own: what a test kills.
//   node test/interop/ra-server.ts FILE ANCHOR      prints the port when it listens, and runs until killed
import { readFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import { RegistrationAuthority, serveCmp, SiteCa } from '#main/services/ra/index.ts'
import { vaultOfKey } from '../services/ra/vault.ts'
import { createRaStore, createSerialStore } from '#main/store/index.ts'
import { migrations } from '../../src-main/store/migrations/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'

const [, , file = '', anchor = ''] = process.argv
const database = new Database(file)
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
// The same key in every life of the process: what a keyring or the system gives.
const vault = vaultOfKey(new Uint8Array(32).fill(7), systemRandom, 'memory')
const ca = await SiteCa.open({ ...ports, store, vault, serials: createSerialStore(database) })
if (!ca.exists) await ca.createRoot({ subject: 'CN=Site CA', algorithm: 'P-256' }, 'test')
const settings = { policy: { mode: 'manual', unlistedMayWait: false, secretsApprove: true } } as const
const authority = new RegistrationAuthority({
  ...ports,
  groupCommits: true,
  store,
  vault,
  ca,
  settings,
  manufacturerAnchors: [new Uint8Array(readFileSync(anchor))],
})
const tree = new ResourceTree()
serveCmp({ registry: tree, authority, clock: systemClock, rates: { burst: 1_000_000, perMinute: 1_000_000 } })
const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
new CoapEndpoint({ channel, tree, ...ports })
console.log(channel.local.port)
