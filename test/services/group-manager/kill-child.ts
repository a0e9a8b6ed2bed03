// A Group Manager on a site file of its own, whose members are in the same process and forget everything with it. It rekeys and evicts for ever and says
// what it has committed, line by line, until somebody kills it.  node kill-child.ts FILE
import { seededRandom, silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import { ResourceTree } from '#main/wire/coap/index.ts'
import { OscoreLayer, volatileSequences } from '#main/wire/oscore/index.ts'
import { GroupManager, rolesOf, type SecretSealer } from '#main/services/group-manager/index.ts'
import { createGroupManagerStore, openSiteFile } from '#main/store/index.ts'
import { toHex } from '#main/base/index.ts'

const [path = ''] = process.argv.slice(2)
const site = openSiteFile(path, { clock: systemClock, logger: silentLogger, appVersion: '0.1.0' })
const key = seededRandom(3).bytes(64)
/** Enough to see whether anything stays unsealed. */
const sealer: SecretSealer = {
  seal: (plain) => plain.map((byte, index) => byte ^ (key[index % key.length] ?? 0)),
  open: (sealed) => sealed.map((byte, index) => byte ^ (key[index % key.length] ?? 0)),
}
const manager = new GroupManager({
  registry: new ResourceTree(),
  layer: new OscoreLayer({ random: systemRandom }),
  sequences: volatileSequences(),
  store: createGroupManagerStore(site.database),
  sealer,
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
  clientFor: () => undefined,
  baseUri: () => 'coap://[::1]',
})
if (!manager.hasGroup('g1')) manager.createGroup('g1', { active: true })
process.stdout.write(`open ${JSON.stringify(line())}\n`)
for (let round = 0; ; round++) {
  manager.authorise({ identity: `device-${round}`, groups: [{ group: 'g1', roles: rolesOf(['requester']) }] })
  manager.rekeyNow('g1')
  process.stdout.write(`done ${JSON.stringify(line())}\n`)
  await new Promise((resolve) => setImmediate(resolve))
}

function line(): { readonly gid: string; readonly generation: number; readonly authorised: number } {
  const { gid, generation } = manager.status('g1')
  return { gid: toHex(gid), generation, authorised: manager.authorisations().length }
}
