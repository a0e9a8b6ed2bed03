// Properties of adoption and repair over random networks and random tampering.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { apply, type Bench } from '../groups/doubles.ts'
import { createSurveyBench, put, repair, tableOf, verifyAll, type SurveyBench } from './doubles.ts'

const DEVICES = 5
const NAMES = ['hall', 'stairs', '2.14-light', 'ÄÖ', 'x'.repeat(63)]
const ADDRESSES = ['ff05::db8:1', 'FF05:0::DB8:2', 'ff35:30:fd00:1:2::8000:1', '239.1.2.3']
const entry = fc.record({
  device: fc.integer({ min: 1, max: DEVICES }),
  name: fc.constantFrom(...NAMES),
  address: fc.constantFrom(...ADDRESSES),
  port: fc.constantFrom(5683, 61_616),
})

type Tampering =
  | { readonly kind: 'reset'; readonly device: number }
  | { readonly kind: 'drop' | 'move'; readonly device: number; readonly index: number }
  | { readonly kind: 'foreign'; readonly device: number; readonly name: string }
const device = fc.integer({ min: 1, max: DEVICES })
const tampering: fc.Arbitrary<Tampering> = fc.oneof(
  fc.record({ kind: fc.constant('reset' as const), device }),
  fc.record({ kind: fc.constantFrom('drop' as const, 'move' as const), device, index: fc.nat({ max: 7 }) }),
  fc.record({ kind: fc.constant('foreign' as const), device, name: fc.constantFrom('odd', 'strange') }),
)

function tamper(bench: Bench, step: Tampering): void {
  const { table } = bench.devices.fake(`d${step.device}`)
  if (step.kind === 'reset') table.clear()
  else if (step.kind === 'foreign') put(bench, `d${step.device}`, { name: step.name, address: 'ff05::db8:77', port: 5683 })
  else {
    const names = [...table.keys()]
    const name = names[step.index % Math.max(1, names.length)]
    const held = name === undefined ? undefined : table.get(name)
    if (name === undefined || held === undefined) return
    if (step.kind === 'drop') table.delete(name)
    else table.set(name, { ...held, port: held.port === 5683 ? 61_620 : 5683 })
  }
}

function tables(bench: SurveyBench): Record<string, readonly string[]> {
  return Object.fromEntries([...bench.devices.records.keys()].map((id) => [id, tableOf(bench, id)]))
}

async function withBench(work: (bench: SurveyBench) => Promise<void>): Promise<void> {
  const bench = createSurveyBench(DEVICES)
  try {
    await work(bench)
  } finally {
    await bench.survey.close()
  }
}

const TABLES_ONLY = { servers: false, directory: false, tables: true, directories: [], types: [] }

describe('adoption of a random network that was read from its devices', () => {
  it('leaves an empty plan, touches no device, and finds itself known when it is read again', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 30 }), (entries) =>
        withBench(async (bench) => {
          for (const { device: number, ...held } of entries) put(bench, `d${number}`, held)
          const before = tables(bench)
          bench.survey.read(TABLES_ONLY)
          await bench.clock.until(bench.survey.idle())
          const found = bench.survey.foundPage({ offset: 0, limit: 1000 }).rows
          const plain = found.filter(({ verdict }) => verdict === 'new')
          const rest = found.filter(({ verdict }) => verdict !== 'new')
          // One place for each name; the same name elsewhere is taken under a name of its own.
          const taken = new Set<string>()
          const choices = rest.map(({ key, name }, index) => {
            const as = 'found' as const
            if (taken.has(name)) return { key, as, name: `other ${index}` }
            taken.add(name)
            return { key, as }
          })
          const writes = bench.store.writes
          const sum = bench.survey.adopt()
          expect(sum).toMatchObject({ groups: plain.length, planned: 0, strangers: 0 })
          if (plain.length > 0) expect(bench.store.writes).toBeGreaterThan(writes)
          expect(bench.engine.planFeed.rows()).toEqual([])
          expect(bench.survey.driftFeed.rows().flatMap(({ findings }) => findings.filter(({ kind }) => kind !== 'foreign'))).toEqual([])
          if (choices.length > 0) bench.survey.adopt(choices)
          // What was given another name has to be written under it; nothing else.
          const renamed = new Set(choices.flatMap(({ name }) => name ?? []))
          expect(bench.engine.planFeed.rows().filter(({ groupName }) => !renamed.has(groupName))).toEqual([])
          expect(tables(bench)).toEqual(before)
          bench.survey.read(TABLES_ONLY)
          await bench.clock.until(bench.survey.idle())
          const again = bench.survey
            .foundPage({ offset: 0, limit: 1000 })
            .rows.filter(({ key }) => !choices.some((one) => one.key === key && one.name !== undefined))
          expect(again.map(({ verdict }) => verdict).filter((verdict) => verdict !== 'known')).toEqual([])
        }),
      ),
      { numRuns: 200 },
    )
  }, 120_000)
})

describe('repair after random tampering', () => {
  it('converges: the devices hold what was applied, nothing has drifted but foreign entries, and those can be removed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uniqueArray(device, { minLength: 1 }), { minLength: 1, maxLength: 4 }),
        fc.array(tampering, { maxLength: 12 }),
        fc.array(fc.constantFrom('ok' as const, 'lost' as const, 'answer-lost' as const), { maxLength: 6 }),
        (groups, steps, script) =>
          withBench(async (bench) => {
            for (const [index, members] of groups.entries())
              bench.engine.createApplication({ name: `g${index}`, members: members.map((number) => `d${number}`) })
            await apply(bench)
            const wanted = tables(bench)
            for (const step of steps) tamper(bench, step)
            let turn = 0
            for (const id of bench.devices.records.keys()) bench.devices.fake(id).fate = () => script[turn++] ?? 'ok'
            // The faults of the script come to an end.
            for (let round = 0; round < 8; round++) {
              await verifyAll(bench)
              await repair(bench)
              await bench.clock.advance(61_000)
            }
            await verifyAll(bench)
            const foreign = bench.survey.driftFeed
              .rows()
              .flatMap(({ deviceId, findings }) => findings.map((finding) => ({ deviceId, ...finding })))
            expect(foreign.filter(({ kind }) => kind !== 'foreign')).toEqual([])
            if (foreign.length > 0) bench.survey.removeEntries(foreign.map(({ deviceId, groupName }) => ({ deviceId, name: groupName })))
            expect(await apply(bench)).toEqual(new Map())
            expect(tables(bench)).toEqual(wanted)
            expect(bench.engine.planFeed.rows()).toEqual([])
            expect(bench.store.applicationGroups().filter(({ retired }) => retired)).toEqual([])
          }),
      ),
      { numRuns: 150 },
    )
  }, 120_000)
})
