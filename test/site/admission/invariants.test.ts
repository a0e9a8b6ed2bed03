// Whatever people and devices do, in any order, with restarts in between: who must not come in does not come in.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AdmissionMode } from '#contract/model.ts'
import { stepOf, ACTOR, admissionSite, device, pledgeOf, policy } from './site.ts'

const SERIALS = ['SN-0', 'SN-1', 'SN-2'] as const
const HOUR_MS = 3_600_000

type Event =
  | { readonly kind: 'plan' | 'scan' | 'deny' | 'undeny' | 'remove'; readonly which: number }
  | { readonly kind: 'ask' | 'join' | 'admit'; readonly which: number; readonly known: boolean; readonly twin: boolean }
  | { readonly kind: 'open' | 'wait'; readonly minutes: number }
  | { readonly kind: 'mode'; readonly mode: AdmissionMode }
  | { readonly kind: 'shut' | 'restart' }

const which = fc.nat({ max: SERIALS.length - 1 })
const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ kind: fc.constantFrom('plan' as const, 'scan' as const, 'deny' as const, 'undeny' as const, 'remove' as const), which }),
  {
    arbitrary: fc.record({
      kind: fc.constantFrom('ask' as const, 'join' as const, 'admit' as const),
      which,
      known: fc.boolean(),
      twin: fc.boolean(),
    }),
    weight: 4,
  },
  fc.record({ kind: fc.constant('open' as const), minutes: fc.integer({ min: 1, max: 90 }) }),
  fc.record({ kind: fc.constant('wait' as const), minutes: fc.constantFrom(1, 30, 59, 61, 120, 1441) }),
  fc.record({ kind: fc.constant('mode' as const), mode: fc.constantFrom('listed' as const, 'ask' as const, 'closed' as const) }),
  fc.record({ kind: fc.constantFrom('shut' as const, 'restart' as const) }),
)

/** What must hold, told in words of its own: not how the room does it. */
class Oracle {
  now = 0
  mode: AdmissionMode = policy.mode
  closesAt = 0
  readonly expected = new Set<string>()
  readonly refused = new Set<string>()
  readonly personSaid = new Map<string, { until: number; unknownToo: boolean }>()
  readonly listSaid = new Map<string, number>()
  readonly joinedAs = new Map<string, string>()

  mayComeIn(serial: string, key: string, known: boolean): boolean {
    if (this.refused.has(serial) || this.mode === 'closed') return false
    const person = this.personSaid.get(key)
    if (person !== undefined && this.now < person.until && (known || person.unknownToo)) return true
    if (!known) return false
    if (this.now < (this.listSaid.get(key) ?? 0)) return true
    return this.mode === 'listed' && this.now < this.closesAt && this.expected.has(serial)
  }
}

test('nobody comes in who is refused, unknown, unexpected, or late', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 5, maxLength: 60 }), async (events) => {
      let site = admissionSite()
      const oracle = new Oracle()
      const start = site.clock.now()
      for (const each of events) {
        oracle.now = site.clock.now() - start
        const serial = 'which' in each ? (SERIALS[each.which] ?? '') : ''
        const pledge =
          'twin' in each ? pledgeOf(serial, { isKnownMaker: each.known, ...(each.twin ? { key: keyOfTwin(serial) } : {}) }) : undefined
        switch (each.kind) {
          case 'plan':
            if (!site.inventory.all().some((other) => other.serial === serial)) {
              site.inventory.create({ ...device, name: serial, serial })
              oracle.expected.add(serial)
            }
            break
          case 'scan': {
            const [result] = site.admission.scan({ text: `SN: ${serial}`, unknown: 'list' }, ACTOR).results
            if (result?.outcome !== 'denied') oracle.expected.add(serial)
            break
          }
          case 'remove':
            site.inventory.remove(site.inventory.all().flatMap((other) => (other.serial === serial ? [other.id] : [])))
            // A label that was scanned may still be on the list.
            break
          case 'deny':
            site.admission.deny({ subjects: [serial], reason: 'no' }, ACTOR)
            oracle.refused.add(serial)
            for (const key of [pledgeOf(serial).key, keyOfTwin(serial)]) oracle.personSaid.delete(key)
            for (const key of [pledgeOf(serial).key, keyOfTwin(serial)]) oracle.listSaid.delete(key)
            break
          case 'undeny':
            site.admission.undeny({ subjects: [serial] }, ACTOR)
            oracle.refused.delete(serial)
            break
          case 'open':
            site.admission.open({ minutes: each.minutes }, ACTOR)
            oracle.closesAt = oracle.now + each.minutes * 60_000
            break
          case 'shut':
            site.admission.shut(ACTOR)
            oracle.closesAt = 0
            break
          case 'mode':
            site.admission.setPolicy({ mode: each.mode }, ACTOR)
            oracle.mode = each.mode
            break
          case 'wait':
            await site.clock.advance(each.minutes * 60_000)
            break
          case 'restart':
            site = site.reopen()
            break
          case 'admit':
            if (pledge === undefined) break
            if (site.admission.admit({ keys: [pledge.key], unknownMakers: each.known }, ACTOR)[0]?.ok === true)
              oracle.personSaid.set(pledge.key, { until: oracle.now + 24 * HOUR_MS, unknownToo: each.known })
            break
          case 'ask':
          case 'join': {
            if (pledge === undefined) break
            const may = oracle.mayComeIn(serial, pledge.key, each.known)
            const verdict = site.admission.gate.admits(pledge)
            if (verdict.kind !== 'admit') break
            expect([serial, may]).toEqual([serial, true])
            const person = oracle.personSaid.get(pledge.key)
            const isListed = oracle.now < (oracle.listSaid.get(pledge.key) ?? 0)
            if (!isListed && (person === undefined || oracle.now >= person.until)) oracle.listSaid.set(pledge.key, oracle.now + HOUR_MS)
            if (each.kind === 'join') site.admission.gate.note(stepOf(site.clock, pledge, 'enrolled'))
          }
        }
      }
      site.admission.close()
    }),
    { numRuns: 2000 },
  )
})

function keyOfTwin(serial: string): string {
  return serial.replace(/\D/g, '').padStart(64, 'e')
}
