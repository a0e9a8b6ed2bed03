// `node test/sim/join-crowd.ts [--pledges 500] [--loss 10]`: so many pledges at once through one join proxy that loses so many per cent.
import { parseArgs } from 'node:util'
import { enrolCrowd } from '../services/join/registrar/enrol-crowd.ts'

const { values } = parseArgs({
  options: {
    pledges: { type: 'string', default: '500' },
    strangers: { type: 'string', default: '25' },
    loss: { type: 'string', default: '10' },
    version: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
  },
})
const outcome = await enrolCrowd({
  pledges: Number(values.pledges),
  strangers: Number(values.strangers),
  lossPercent: Number(values.loss),
  version: values.version === '01' ? '01' : '20',
  seed: Number(values.seed),
})
console.log(JSON.stringify(outcome))
const { halfOpen, sessions, proxies } = outcome.left
const amiss = outcome.failed + outcome.issuedToOthers + outcome.strangersIn + outcome.errors + halfOpen + sessions + proxies
process.exit(amiss === 0 ? 0 : 1)
