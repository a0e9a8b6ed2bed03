// A directory over UDP with its registrations in an SQLite file, in a process of its own: what a test kills.
//   node test/interop/rd-server.ts FILE      prints the port when it listens, and runs until killed
import Database from 'better-sqlite3'
import { silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import { createResourceDirectory } from '#main/services/rd/index.ts'
import { migrate } from '#main/store/migrate.ts'
import { createRegistrationStore } from '#main/store/registrations.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'

const database = new Database(process.argv[2])
database.pragma('journal_mode = WAL')
database.pragma('synchronous = FULL')
migrate(database)
const ports = { clock: systemClock, random: systemRandom, logger: silentLogger }
const tree = new ResourceTree()
createResourceDirectory({ store: createRegistrationStore(database), registry: tree, ...ports })
const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
new CoapEndpoint({ channel, tree, ...ports })
console.log(channel.local.port)
