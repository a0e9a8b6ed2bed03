// `node test/fuzz/join-run.ts [--count N] [--seed N]`, also a part of `npm run fuzz`: a million mutated datagrams between pledges, join proxies and a registrar. Exits 1 on any fault.
import { parseArgs } from 'node:util'
import { fuzzJoin } from './join.ts'

const { values } = parseArgs({ options: { count: { type: 'string', default: '1000000' }, seed: { type: 'string', default: '8995' } } })
const startedMs = performance.now()
const seconds = (): number => Math.round((performance.now() - startedMs) / 1000)
const report = await fuzzJoin({
  datagrams: Number(values.count),
  seed: Number(values.seed),
  onProgress: (done, heap) => console.log(`${done} datagrams in ${seconds()} s, heap ${(heap / 2 ** 20).toFixed(1)} MiB`),
})
console.log(`${values.count} datagrams in ${seconds()} s`)
const { faults, alive, ...counted } = report
const problems = alive ? faults : [...faults, 'it does not answer any more']
console.log(JSON.stringify(counted))
for (const problem of problems) console.log(`FAULT ${problem}`)
console.log(problems.length === 0 ? 'no fault' : `${problems.length} faults`)
if (problems.length > 0) process.exitCode = 1
