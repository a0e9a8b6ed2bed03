// Whatever happens to a group, in whatever order: no Gid comes back, no Sender ID has two owners under one Gid, members get told of exactly
// those Sender IDs that went stale, and the file says what memory says (draft-ietf-core-oscore-groupcomm-28 §12.2.1; key-groupcomm-oscore-21 §7.1).
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom, silentLogger, toHex } from '#main/base/index.ts'
import { rolesOf, type StoredMember } from '#main/services/group-manager/index.ts'
import { createGroupManagerStore } from '#main/store/index.ts'
import { GroupBook } from '../../../src-main/services/group-manager/book.ts'
import { withDefaults } from '../../../src-main/services/group-manager/configuration.ts'
import {
  freeSenderId,
  staleSince,
  withMember,
  withoutMembers,
  type GroupState,
} from '../../../src-main/services/group-manager/group-state.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { memoryDatabase, sealerOf } from './harness.ts'

type Step =
  | { readonly kind: 'join' | 'renew' | 'leave'; readonly who: number }
  | { readonly kind: 'rekey' | 'reopen' | 'copy' }
  | { readonly kind: 'note'; readonly who: number }

const who = fc.integer({ min: 0, max: 5 })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constantFrom('join', 'join', 'renew', 'leave', 'note'), who }),
  fc.record({ kind: fc.constantFrom('rekey', 'rekey', 'reopen', 'copy') }),
)

function memberOf(state: GroupState, identity: string, senderId: Uint8Array): StoredMember {
  return {
    group: 'g1',
    identity,
    node: `n-${identity}`,
    senderId,
    credential: Uint8Array.of(1),
    roles: rolesOf(['requester']),
    scope: Uint8Array.of(2),
    clientNonce: Uint8Array.of(3),
    control: undefined,
    context: identity,
    address: { address: '::1', port: 5683 },
    channelId: 'x',
    joinedAtMs: 0,
    generation: state.stored.generation,
    keys: 'told',
  }
}

const idsOf = (state: GroupState): readonly string[] =>
  [...state.members.values()].map(({ senderId }) => toHex(senderId ?? new Uint8Array(0)))

describe('the state of a group', () => {
  it('keeps its promises under any sequence of events', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const random = seededRandom(1)
        const clock = new VirtualClock()
        const store = createGroupManagerStore(memoryDatabase())
        const sealer = sealerOf(new Uint8Array(16), random)
        const ports = { store, sealer, clock, random, logger: silentLogger }
        let book = new GroupBook(ports)
        book.create('g1', withDefaults({ maxStaleSets: 3 }))
        const gids = new Set<string>()
        /** Owners that Sender IDs have had under the present Gid. */
        let owners = new Map<string, string>()
        /** What went stale under each version. */
        const stale = new Map<number, Set<string>>([[0, new Set()]])
        const now = (): GroupState => {
          const state = book.get('g1')
          if (state === undefined) throw new TypeError('the group is gone')
          return state
        }
        gids.add(toHex(now().stored.gid))
        const relinquish = (identity: string): void => {
          const id = now().members.get(identity)?.senderId
          if (id !== undefined) stale.get(now().stored.generation)?.add(toHex(id))
        }
        const freshKeys = (): void => {
          const gid = toHex(now().stored.gid)
          expect(gids.has(gid)).toBe(false)
          gids.add(gid)
          owners = new Map([...now().members.values()].map(({ identity, senderId }) => [toHex(senderId ?? new Uint8Array(0)), identity]))
          stale.set(now().stored.generation, new Set())
        }
        for (const one of steps) {
          const identity = 'who' in one ? `m${one.who}` : ''
          const member = now().members.get(identity)
          switch (one.kind) {
            case 'join':
            case 'renew': {
              if (one.kind === 'renew' && member === undefined) break
              const id = freeSenderId(now())
              if (id === undefined) throw new TypeError('no Sender ID')
              expect(owners.has(toHex(id))).toBe(false)
              relinquish(identity)
              owners.set(toHex(id), identity)
              book.commit(withMember(now(), memberOf(now(), identity, id)))
              break
            }
            case 'leave':
              relinquish(identity)
              book.commit(withoutMembers(now(), [identity], 0))
              break
            case 'note':
              if (member !== undefined) book.note(now(), { ...member, generation: now().stored.generation, keys: 'current' })
              break
            case 'rekey': {
              const before = idsOf(now())
              book.rekey(now())
              // Members keep their Sender IDs (§11).
              expect(idsOf(now())).toEqual(before)
              freshKeys()
              break
            }
            case 'copy':
              book.startAnew()
              stale.clear()
              freshKeys()
              break
            case 'reopen': {
              book.close()
              const { stored, members, secrets } = now()
              book = new GroupBook(ports)
              expect(now().stored).toEqual(stored)
              expect([...now().members.values()].sort((a, b) => (a.identity < b.identity ? -1 : 1))).toEqual(
                [...members.values()].sort((a, b) => (a.identity < b.identity ? -1 : 1)),
              )
              expect(now().secrets.masterSecret).toEqual(secrets.masterSecret)
              break
            }
          }
          const { stored } = now()
          expect(new Set(idsOf(now())).size).toBe(now().members.size)
          expect(stored.staleSets.length).toBeLessThanOrEqual(3)
          for (let version = Math.max(0, stored.generation - 4); version < stored.generation; version++) {
            const told = staleSince(stored, version)?.map(toHex).sort()
            const wanted = new Set<string>()
            let known = true
            for (let at = version; at <= stored.generation; at++) {
              const set = stale.get(at)
              if (set === undefined) known = false
              else for (const id of set) wanted.add(id)
            }
            // Nothing is left out; where it is too long ago, nothing is said at all.
            if (told !== undefined) expect([known, told]).toEqual([true, [...wanted].sort()])
            else expect(stored.generation - version + 1 > stored.staleSets.length).toBe(true)
          }
        }
      }),
      { numRuns: 300 },
    )
  }, 60_000)
})
