// Edits a project until it is killed; each edit is an action of the journal. Says `edited` after the first few.
import { seededRandom, silentLogger, systemClock } from '#main/base/index.ts'
import { createInventory } from '#main/site/devices/index.ts'
import { createGroups } from '#main/site/groups/index.ts'
import { openSiteFile } from '#main/store/index.ts'

const [path = '', seed = '1'] = process.argv.slice(2)
const ports = { clock: systemClock, random: seededRandom(Number(seed)), logger: silentLogger }
const file = openSiteFile(path, { clock: systemClock, logger: silentLogger, appVersion: '0.1.0' })
const inventory = createInventory({ store: file.devices, contacts: { client: () => undefined }, profiles: [], ...ports })
const groups = createGroups({ store: file.groups, devices: inventory, allocation: { prefixId: 'site-1' }, ...ports })

function action(op: string, work: () => void): void {
  file.history.begin({ op, actor: 'child', at: systemClock.now(), final: false })
  work()
  file.history.end(true)
}

for (let round = 0; ; round++) {
  const ids: string[] = []
  action('devices.create', () => {
    for (let number = 0; number < 5; number++) {
      const name = `Lamp ${round}.${number}`
      ids.push(inventory.create({ name, type: 'luminaire', roomId: null, eui64: null, serial: name, comment: '' }))
    }
  })
  action('groups.createApplication', () => groups.createApplication({ name: `g${round}`, members: ids }))
  const [group] = groups.applicationFeed.rows()
  if (group !== undefined) action('groups.updateApplication', () => groups.updateApplication(group.id, { name: `renamed-${round}` }))
  // More than one transaction: the devices, then what the groups make of it.
  action('devices.remove', () =>
    inventory.remove(
      inventory
        .all()
        .slice(0, 3)
        .map(({ id }) => id),
    ),
  )
  if (round % 3 === 2 && group !== undefined) action('groups.removeApplication', () => groups.removeApplication(group.id))
  if (round === 3) process.stdout.write('edited\n')
  // Gives the pipe its turn.
  await new Promise((resolve) => setImmediate(resolve))
}
