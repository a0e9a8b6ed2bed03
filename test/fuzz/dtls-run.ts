// `node test/fuzz/dtls-run.ts [--count N] [--seed N]`, also the second part of `npm run fuzz`: a million mutated DTLS records. Exits 1 on any fault.
import { parseArgs } from 'node:util'
import { fuzzDtls } from './dtls.ts'

const { values } = parseArgs({ options: { count: { type: 'string', default: '1000000' }, seed: { type: 'string', default: '6347' } } })
const startedMs = performance.now()
const seconds = (): number => Math.round((performance.now() - startedMs) / 1000)
const report = await fuzzDtls({
  records: Number(values.count),
  seed: Number(values.seed),
  onProgress: (done, heap) => console.log(`${done} DTLS records in ${seconds()} s, heap ${(heap / 2 ** 20).toFixed(1)} MiB`),
})
console.log(`${values.count} DTLS records in ${seconds()} s`)
const { faults, alive, ...counted } = report
const problems = alive ? faults : [...faults, 'it does not answer any more']
console.log(JSON.stringify(counted))
for (const problem of problems) console.log(`FAULT ${problem}`)
console.log(problems.length === 0 ? 'no fault' : `${problems.length} faults`)
if (problems.length > 0) process.exitCode = 1
