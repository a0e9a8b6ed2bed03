// The checks of groups at 10 000 devices in 1 000 groups: what an edit costs, from the edit to the findings, beside checking everything anew.
import { createRulesBench } from '../site/groups/rules/rules-bench.ts'
import { median, timed } from './measure.ts'
import type { BenchResult } from './types.ts'

const DEVICES = 10_000
const GROUPS = 1000
const MEMBERS = 30
const ROUNDS = 31

export async function benchGroupRules(): Promise<readonly BenchResult[]> {
  const bench = createRulesBench(DEVICES)
  const { engine, devices, rules } = bench
  for (let device = 1; device <= DEVICES; device += 25) devices.change(`d${device}`, { type: 'switch' })
  const ids = Array.from({ length: GROUPS }, (_, group) =>
    engine.createApplication({
      name: `${Math.floor(group / 100)}.${group % 100}-light`,
      members: Array.from({ length: MEMBERS }, (__, member) => `d${((group * 10 + member) % DEVICES) + 1}`),
    }),
  )
  rules.flush()
  const all: number[] = []
  for (let round = 0; round < 5; round++) {
    all.push(
      await timed(() => {
        rules.settingsChanged()
        rules.flush()
      }),
    )
  }
  const baseline = median(all)
  const measure = async (name: string, edit: (round: number) => void): Promise<BenchResult> => {
    const times: number[] = []
    const checks: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      times.push(await timed(() => edit(round)))
      checks.push(await timed(() => rules.flush()))
    }
    const value = median(checks)
    const worst = Math.max(...checks.map((check, round) => check + (times[round] ?? 0)))
    return {
      area: 'groups',
      name: `check ${name} at ${DEVICES} devices in ${GROUPS} groups; edit and check took at most ${worst.toFixed(1)} ms (baseline: all checks anew)`,
      value,
      unit: 'ms',
      baseline,
      ratio: value / baseline,
    }
  }
  const group = (round: number): string => ids[(round * 31) % GROUPS] ?? ''
  const results = [
    await measure('one more member', (round) =>
      engine.setMemberships([{ deviceId: `d${5000 + round}`, groupId: group(round), desired: true }]),
    ),
    await measure('a new name', (round) => engine.updateApplication(group(round), { name: `renamed-${round}` })),
    await measure('another address', (round) => engine.updateCoap(engine.book.group(group(round)).coapGroupId, { allocate: 'address' })),
    await measure('another kind of device', (round) =>
      devices.change(`d${100 + round}`, { type: round % 2 === 0 ? 'blind' : 'luminaire' }),
    ),
    await measure('100 members painted at once', (round) =>
      engine.setMemberships(
        Array.from({ length: 100 }, (_, index) => ({ deviceId: `d${index + 1}`, groupId: group(round), desired: round % 2 === 0 })),
      ),
    ),
  ]
  rules.close()
  engine.close()
  return results
}
