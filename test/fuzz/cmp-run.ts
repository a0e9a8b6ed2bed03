// `node test/fuzz/cmp-run.ts [--count N] [--seed N]`: a million mutated CMP messages. Exits 1 on any fault.
import { parseArgs } from 'node:util'
import { fuzzCmp } from './cmp.ts'

const { values } = parseArgs({ options: { count: { type: 'string', default: '1000000' }, seed: { type: 'string', default: '9482' } } })
const startedMs = performance.now()
const seconds = (): number => Math.round((performance.now() - startedMs) / 1000)
const report = await fuzzCmp({
  messages: Number(values.count),
  seed: Number(values.seed),
  handleEvery: 40,
  onProgress: (done) => console.log(`${done} in ${seconds()} s`),
})
console.log(`${values.count} in ${seconds()} s`)
console.log(JSON.stringify({ ...report, faults: report.faults.length }))
for (const fault of report.faults) console.log(`FAULT ${fault}`)
console.log(report.faults.length === 0 ? 'no fault' : `${report.faults.length} faults`)
if (report.faults.length > 0) process.exitCode = 1
