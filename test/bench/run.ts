// `npm run bench [-- AREA …] [--json] [--write]`: every figure beside a baseline taken in the same run.
// `--json` prints one object a line; `--write` puts the results into docs/benchmarks.md.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import type { BenchResult } from './types.ts'

const areas: Readonly<Record<string, () => Promise<readonly BenchResult[]>>> = {
  coap: async () => (await import('./coap.ts')).benchCoap(),
  devices: async () => (await import('./devices.ts')).benchDevices(),
  groups: async () => [
    ...(await (await import('./group-engine.ts')).benchGroupEngine()),
    ...(await (await import('./group-rules.ts')).benchGroupRules()),
    ...(await (await import('./group-manager.ts')).benchGroupManager()),
    ...(await (await import('./survey.ts')).benchSurvey()),
  ],
  import: async () => (await import('./import.ts')).benchImport(),
  join: async () => (await import('./dtls.ts')).benchDtls(),
  link: async () => [
    ...(await (await import('./link-line.ts')).benchLine()),
    ...(await (await import('./link-ip.ts')).benchLinkIp()),
    ...(await (await import('./radio.ts')).benchRadio()),
  ],
  oscore: async () => (await import('./oscore.ts')).benchOscore(),
  ra: async () => (await import('./ra.ts')).benchAuthority(),
  rd: async () => [
    ...(await (await import('./rd.ts')).benchDirectory()),
    ...(await (await import('./rd-durable.ts')).benchDurableDirectory()),
  ],
  window: async () => (await import('./window.ts')).benchWindow(),
}

const asked = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const json = process.argv.includes('--json')
const unknown = asked.filter((area) => !(area in areas))
if (unknown.length > 0) {
  console.error(`Unknown area ${unknown.join(', ')}; there are ${Object.keys(areas).join(', ')}`)
  process.exit(2)
}

const results: BenchResult[] = []
for (const [area, bench] of Object.entries(areas)) {
  if (asked.length > 0 && !asked.includes(area)) continue
  for (const result of await bench()) {
    results.push(result)
    console.log(json ? JSON.stringify(result) : lineOf(result))
  }
}
if (process.argv.includes('--write')) {
  const page = join(import.meta.dirname, '../../docs/benchmarks.md')
  writeFileSync(page, pageOf(results, existsSync(page) ? readFileSync(page, 'utf8') : ''))
}

function numberText(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}

function lineOf(result: BenchResult): string {
  const baseline = result.baseline === undefined ? '' : `, baseline ${numberText(result.baseline)} ${result.unit}`
  const ratio = result.ratio === undefined ? '' : `, ratio ${result.ratio.toFixed(2)}`
  return `${result.area.padEnd(8)} ${result.name}: ${numberText(result.value)} ${result.unit}${baseline}${ratio}`
}

/** Areas that were not run keep the rows that the page has of them. */
function pageOf(rows: readonly BenchResult[], before: string): string {
  const run = new Set(rows.map(({ area }) => area))
  const isKept = (line: string): boolean => Object.keys(areas).some((area) => !run.has(area) && line.startsWith(`| ${area} |`))
  const fresh = rows.map(
    (row) =>
      `| ${row.area} | ${row.name} | ${numberText(row.value)} ${row.unit} | ${row.baseline === undefined ? '' : `${numberText(row.baseline)} ${row.unit}`} | ${row.ratio === undefined ? '' : row.ratio.toFixed(2)} |`,
  )
  const table = [...fresh, ...before.split('\n').filter(isKept)].toSorted((a, b) => areaOf(a).localeCompare(areaOf(b)))
  return `# Benchmarks

\`npm run bench -- --write\` makes this page. Absolute figures belong to the machine; the ratio is what counts: measure divided by the baseline
that the name gives, both taken in one run. Each area stands as it was last run.

Last run: ${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}, Node ${process.versions.node}.

| Area | What | Measure | Baseline | Ratio |
|---|---|---|---|---|
${table.join('\n')}
`
}

function areaOf(line: string): string {
  return line.split('|')[1]?.trim() ?? ''
}
