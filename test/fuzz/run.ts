// `npm run fuzz [-- --count N] [--seed N]`: a million mutated datagrams against an endpoint with a Resource Directory, then as many
// DTLS records, CMP messages and hostile OSCORE messages. Exits 1 on any fault.
import { parseArgs } from 'node:util'
import { loadCorpus } from './corpus.ts'
import { fuzz } from './fuzz.ts'
import { findExcess } from './bounds.ts'

const { values } = parseArgs({ options: { count: { type: 'string', default: '1000000' }, seed: { type: 'string', default: '7252' } } })
const datagrams = Number(values.count)
const seed = Number(values.seed)
const corpus = loadCorpus()
const startedMs = performance.now()
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`

console.log(`${datagrams} datagrams from a corpus of ${corpus.length}, seed ${seed}`)
const report = await fuzz({
  datagrams,
  seed,
  corpus,
  onProgress: (done, heap) => console.log(`${done} in ${Math.round((performance.now() - startedMs) / 1000)} s, heap ${mebibytes(heap)}`),
})
const { heap, counters, holdings } = report
const problems = [...report.faults, ...findExcess(report), ...(report.alive ? [] : ['it does not answer any more'])]
console.log(`${datagrams} in ${Math.round((performance.now() - startedMs) / 1000)} s, ${report.sent} sent`)
console.log(
  `heap at start ${mebibytes(heap.start)}, half way ${mebibytes(heap.middle)}, at the end ${mebibytes(heap.end)}, closed ${mebibytes(heap.closed)}`,
)
console.log(JSON.stringify({ counters, holdings }))
for (const problem of problems) console.log(`FAULT ${problem}`)
console.log(problems.length === 0 ? 'no fault' : `${problems.length} faults`)
if (problems.length > 0) process.exitCode = 1

await import('./dtls-run.ts')
await import('./cmp-run.ts')
await import('./oscore-run.ts')
await import('./join-run.ts')
