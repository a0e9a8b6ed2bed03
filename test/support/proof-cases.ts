// Groups that were tested and may have changed since: the core and the window must judge each of them alike.
import type { DeviceType, MembershipRow, TestMember, TestRunRow } from '#contract/model.ts'

export type Standing = 'untested' | 'outdated' | 'failed' | 'proven'

export interface ProofCase {
  readonly name: string
  readonly runs: readonly TestRunRow[]
  readonly cells: readonly MembershipRow[]
  readonly uri: string
  readonly expected: Standing
}

const AT = 1000
const URI = 'coap://[ff35:30:fd00::8000:1]:5685/gp/g'
const HOST = 'coap://g.site.example/gp/g'
const TYPES: Readonly<Record<string, DeviceType>> = { l1: 'luminaire', l2: 'luminaire', l3: 'luminaire', b1: 'blind', s1: 'switch' }

export const proofTypeOf = (id: string): DeviceType | undefined => TYPES[id]

function member(deviceId: string, rest: Partial<TestMember> = {}): TestMember {
  return { deviceId, verdict: 'heard', answerMs: 10, heardCount: 1, code: null, seen: null, ...rest }
}

export function proofRun(members: readonly TestMember[], rest: Partial<TestRunRow> = {}): TestRunRow {
  return {
    id: `run-${rest.startedAt ?? AT}`,
    groupId: 'g',
    groupName: 'g',
    action: 'on',
    state: 'done',
    startedAt: AT,
    finishedAt: AT + 1,
    repeats: 1,
    repeat: 1,
    uri: `${URI}/on`,
    messageBytes: 40,
    spreadMs: null,
    medianMs: null,
    members: [...members],
    strangers: 0,
    failure: null,
    ...rest,
  }
}

export function proofCell(deviceId: string, rest: Partial<MembershipRow> = {}): MembershipRow {
  const cell = { desired: true, outcome: 'confirmed', at: AT - 500, source: 'apply', failure: null } as const
  return { key: `${deviceId} g`, deviceId, groupId: 'g', ...cell, ...rest }
}

const both = [member('l1'), member('l2', { verdict: 'silent-changed' })]
const cells = [proofCell('l1'), proofCell('l2'), proofCell('s1')]
const failure = { code: 'network.down', message: 'gone', retryable: true, details: {} }
const aborted = proofRun(both, { startedAt: AT + 500, state: 'failed', failure })

function judged(name: string, expected: Standing, rest: Partial<ProofCase> = {}): ProofCase {
  return { name, expected, runs: [proofRun(both)], cells, uri: URI, ...rest }
}

export const proofCases: readonly ProofCase[] = [
  judged('no test', 'untested', { runs: [] }),
  judged('every member that the action concerns did as told', 'proven'),
  judged('a member did not', 'failed', { runs: [proofRun([member('l1'), member('l2', { verdict: 'unreachable' })])] }),
  judged('a person saw that a member that answered did not', 'failed', { runs: [proofRun([member('l1'), member('l2', { seen: false })])] }),
  judged('a person saw a member that cannot be read', 'proven', {
    runs: [proofRun([member('l1'), member('l2', { verdict: 'unreadable', seen: true })])],
  }),
  judged('a newer test failed', 'failed', {
    runs: [proofRun([member('l1', { verdict: 'rejected' }), member('l2')], { startedAt: AT + 500 }), proofRun(both)],
  }),
  judged('a newer test could not be made', 'proven', { runs: [aborted, proofRun(both)] }),
  judged('a person has changed a membership since', 'outdated', {
    cells: [...cells, proofCell('l3', { at: AT + 1, source: 'operator', outcome: 'planned' })],
  }),
  judged('a membership was applied since', 'outdated', { cells: [proofCell('l1'), proofCell('l2', { at: AT + 1 })] }),
  judged('memberships were read back since', 'proven', { cells: cells.map((cell) => ({ ...cell, at: AT + 1, source: 'verify' })) }),
  judged('reading back found a membership gone', 'outdated', {
    cells: [proofCell('l1'), proofCell('l2', { at: AT + 1, source: 'verify', outcome: 'failed' })],
  }),
  judged('a member of a tested type was taken in from its device since', 'outdated', {
    cells: [...cells, proofCell('l3', { at: AT + 1, source: 'verify' })],
  }),
  judged('a member of a type that reacts was taken in since', 'outdated', {
    cells: [...cells, proofCell('b1', { at: AT + 1, source: 'verify' })],
  }),
  judged('a member that is gone from the site', 'outdated', { cells: [...cells, proofCell('gone')] }),
  judged('a switch was taken in since', 'proven', {
    cells: [proofCell('l1'), proofCell('l2'), proofCell('s1', { at: AT + 1, source: 'verify' })],
  }),
  judged('a member of another type, which the action did not concern', 'proven', { cells: [...cells, proofCell('b1')] }),
  judged('a member was wanted again that the test left out', 'outdated', { cells: [...cells, proofCell('l3')] }),
  judged('none of the tested members is left', 'outdated', { cells: [proofCell('s1')] }),
  judged('another address since', 'outdated', { uri: 'coap://[ff35:30:fd00::8000:2]:5685/gp/g' }),
  judged('another port since', 'outdated', { uri: 'coap://[ff35:30:fd00::8000:1]/gp/g' }),
  judged('a host name for the address, and nothing newer', 'proven', { runs: [proofRun(both, { uri: `${HOST}/on` })], uri: HOST }),
  judged('a host name for the address, and members elsewhere', 'outdated', {
    runs: [proofRun(both, { uri: `${HOST}/on` })],
    cells: cells.map((cell) => ({ ...cell, outcome: 'planned' })),
  }),
  judged('a host name for the address, and members read since', 'outdated', {
    runs: [proofRun(both, { uri: `${HOST}/on` })],
    cells: cells.map((cell) => ({ ...cell, at: AT + 1, source: 'verify' })),
    uri: HOST,
  }),
]
