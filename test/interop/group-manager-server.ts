// A Group Manager in a process of its own, on a site file, over system sockets: node group-manager-server.ts FILE ANCHOR PORT MEMBERS.
// Says "ready", then answers each line that it is given with its state as JSON: `status`, `rekey`, `evict NAME`.
import { createInterface } from 'node:readline'
import { sha256, silentLogger, systemClock, systemRandom, toHex, utf8 } from '#main/base/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { OscoreLayer, UnicastContext } from '#main/wire/oscore/index.ts'
import { GroupManager, rolesOf } from '#main/services/group-manager/index.ts'
import { createGroupManagerStore, createSequenceStore, openSiteFile } from '#main/store/index.ts'
import { sealerOf } from '../services/group-manager/harness.ts'

const [file = '', anchorFile = '', port = '', members = ''] = process.argv.slice(2)
const site = openSiteFile(file, { clock: systemClock, logger: silentLogger, appVersion: '0.1.0' })
const sequences = createSequenceStore(site.database, { random: systemRandom, anchorFile, siteId: 'site-1' })
const channel = await openUdpChannel({ bindAddress: '::1', port: Number(port), logger: silentLogger })
const layer = new OscoreLayer({ random: systemRandom })
const tree = new ResourceTree()
const parameters = { ackTimeoutMs: 100 }
const endpoint = new CoapEndpoint({
  channel,
  tree,
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
  parameters,
  security: layer,
})
const store = createGroupManagerStore(site.database)
const isFirst = store.groups().length === 0
for (let index = 0; index < Number(members); index++) {
  const name = `device-${index}`
  const masterSecret = sha256(utf8(name)).slice(0, 16)
  const ids = { senderId: Uint8Array.of(0xaa), recipientId: Uint8Array.of(1, index >> 8, index & 0xff) }
  layer.add(new UnicastContext({ name, masterSecret, ...ids }, { sequences, received: isFirst ? 'fresh' : 'unknown' }))
}
const manager = new GroupManager({
  registry: tree,
  layer,
  sequences,
  store,
  sealer: sealerOf(sha256(utf8('site')).slice(0, 16), systemRandom),
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
  clientFor: () => endpoint,
  baseUri: () => `coap://[::1]:${port}`,
  isCopy: sequences.isCopy,
})
if (isFirst) {
  manager.createGroup('g1', { active: true })
  for (let index = 0; index < Number(members); index++) {
    manager.authorise({ identity: `device-${index}`, groups: [{ group: 'g1', roles: rolesOf(['requester', 'responder']) }] })
  }
}
process.stdout.write('ready\n')
createInterface({ input: process.stdin }).on('line', (line) => {
  const [word, name = ''] = line.split(' ')
  if (word === 'rekey') manager.rekeyNow('g1')
  if (word === 'evict') manager.evict('g1', [name], { forGood: true })
  const { gid, generation, members: count, behind } = manager.status('g1')
  process.stdout.write(`${JSON.stringify({ gid: toHex(gid), generation, members: count, behind })}\n`)
})
