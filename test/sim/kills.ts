// `node test/sim/kills.ts [--devices 2000] [--rooms 60] [--kills 100]`: one apply job through that many kill -9, each at a random time.
import { parseArgs } from 'node:util'
import { runWithKills } from './kill-run.ts'

const { values } = parseArgs({
  options: {
    devices: { type: 'string', default: '2000' },
    rooms: { type: 'string', default: '60' },
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
  },
})
const outcome = await runWithKills({
  devices: Number(values.devices),
  rooms: Number(values.rooms),
  mostKills: Number(values.kills),
  killWithinMs: 900,
  deviceDelayMs: 120,
  seed: Number(values.seed),
})
console.log(JSON.stringify(outcome))
await outcome.close()
process.exit(outcome.unconfirmed + outcome.left + outcome.failedItems + outcome.writtenOtherwise === 0 ? 0 : 1)
