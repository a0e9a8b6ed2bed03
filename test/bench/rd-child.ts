// A durable directory in a process of its own for the benchmarks; argument: its file. It tells its port and how long it took to take up
// what the file holds, and on request its memory after a collection (run with --expose-gc).
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
const startedMs = performance.now()
const directory = createResourceDirectory({ store: createRegistrationStore(database), registry: tree, ...ports })
const tookMs = performance.now() - startedMs
const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
// Of the CoAP endpoint's memory of exchanges only so much, that what is left is the directory's.
new CoapEndpoint({ channel, tree, ...ports, parameters: { maxDedupEntries: 1024 } })

process.on('message', () => {
  globalThis.gc?.()
  process.send?.({ endpoints: directory.size, heapBytes: process.memoryUsage().heapUsed, residentBytes: process.memoryUsage.rss() })
})
process.on('disconnect', () => process.exit(0))
process.send?.({ port: channel.local.port, endpoints: directory.size, tookMs })
