// What a group's tests prove of it as it is now: one rule for the overview and the report. The window, which takes nothing but types
// from here, has the same in views/test/roll-call.ts; one table of cases tests both.
import type { DeviceType, MembershipRow, TestMember, TestRunRow } from '#contract/model.ts'

export type ProofRun = Pick<TestRunRow, 'state' | 'failure' | 'startedAt' | 'uri'> & {
  readonly members: ReadonlyArray<Pick<TestMember, 'deviceId' | 'seen' | 'verdict'>>
}

/** A group as it is now. */
export interface ProofSubject {
  /** Of the group or of its CoAP group. */
  readonly uri: string
  /** Its memberships, with the outcome that they have for the group's address now. */
  readonly cells: ReadonlyArray<Pick<MembershipRow, 'deviceId' | 'desired' | 'outcome' | 'at' | 'source'>>
  /** Undefined: no such device any more. */
  readonly typeOf: (deviceId: string) => DeviceType | undefined
}

/** `outdated`: the group has changed since it was tested. */
export type Proof<Run> =
  { readonly standing: 'untested' | 'outdated'; readonly run: undefined } | { readonly standing: 'failed' | 'proven'; readonly run: Run }

/** Devices that send a group's requests and need not react to them. */
const SENDING: ReadonlySet<DeviceType> = new Set(['switch', 'presence-sensor', 'sensor'])

/** Of the group's runs, in any order, the newest that was done counts, and no other. */
export function proofOf<Run extends ProofRun>(runs: readonly Run[], subject: ProofSubject): Proof<Run> {
  const [newest] = runs.filter(({ state, failure }) => state === 'done' && failure === null).toSorted((a, b) => b.startedAt - a.startedAt)
  if (newest === undefined) return { standing: 'untested', run: undefined }
  if (!isAsTested(newest, subject)) return { standing: 'outdated', run: undefined }
  return { standing: newest.members.every(isProven) ? 'proven' : 'failed', run: newest }
}

/** What a person saw comes before any answer. */
export function isProven({ seen, verdict }: Pick<TestMember, 'seen' | 'verdict'>): boolean {
  return seen === true || (seen === null && (verdict === 'heard' || verdict === 'silent-changed'))
}

function isAsTested(run: ProofRun, { uri, cells, typeOf }: ProofSubject): boolean {
  const [then, now] = [endpointOf(run.uri), endpointOf(uri)]
  if (then !== undefined && now !== undefined && then !== now) return false
  const isNewer = ({ at }: { readonly at: number }): boolean => at > run.startedAt
  if (cells.some((cell) => isNewer(cell) && !isConfirmation(cell))) return false
  const tested = new Set(run.members.map(({ deviceId }) => deviceId))
  const wanted = cells.filter(({ desired }) => desired)
  if (!wanted.some(({ deviceId }) => tested.has(deviceId))) return false
  // A host name hides the address: only memberships that were confirmed for it before the test show that it is the same.
  const isHidden = then === undefined || now === undefined
  if (isHidden && wanted.some((cell) => isNewer(cell) || cell.outcome !== 'confirmed')) return false
  // Members that the action does not concern are in no run, but one that could react may also have been found after it.
  const types = new Set([...tested].map(typeOf))
  return wanted.every((cell) => {
    const type = typeOf(cell.deviceId)
    return tested.has(cell.deviceId) || (type !== undefined && !types.has(type) && (SENDING.has(type) || !isNewer(cell)))
  })
}

/** What was read or tested and is as it should be is no change, however new. */
function isConfirmation({ source, outcome }: Pick<MembershipRow, 'source' | 'outcome'>): boolean {
  return (source === 'verify' || source === 'test') && outcome === 'confirmed'
}

/** Address and port of a URI whose host is an address. */
function endpointOf(uri: string): string | undefined {
  return /^coap:\/\/((?:\[[^\]]+\]|\d+(?:\.\d+){3})(?::\d+)?)(?:[/?]|$)/.exec(uri)?.[1]
}
