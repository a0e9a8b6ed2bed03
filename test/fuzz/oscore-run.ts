// `node test/fuzz/oscore-run.ts [--count N] [--seed N]`: hostile OSCORE messages by the hundred thousand. Exits 1 on any fault.
import { parseArgs } from 'node:util'
import { fuzzOscore } from './oscore.ts'

const { values } = parseArgs({ options: { count: { type: 'string', default: '200000' }, seed: { type: 'string', default: '8613' } } })
const startedMs = performance.now()
const seconds = (): number => Math.round((performance.now() - startedMs) / 1000)
const { faults, alive, ...counted } = await fuzzOscore({
  messages: Number(values.count),
  seed: Number(values.seed),
  onProgress: (done, heap) => console.log(`${done} OSCORE messages in ${seconds()} s, heap ${(heap / 2 ** 20).toFixed(1)} MiB`),
})
console.log(`${values.count} OSCORE messages in ${seconds()} s`)
const problems = alive ? faults : [...faults, 'it does not answer any more']
console.log(JSON.stringify(counted))
for (const problem of problems) console.log(`FAULT ${problem}`)
console.log(problems.length === 0 ? 'no fault' : `${problems.length} faults`)
if (problems.length > 0) process.exitCode = 1
