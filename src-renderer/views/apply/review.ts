// The plan as a review: its lines with what the running job says of them, arranged by device or by change.
import type { ApplicationGroupRow, DeviceRow, Failure, ItemState, JobItemRow, JobRow, PlanLine } from '#contract/model.ts'
import { itemStateIn } from '../../components/frame/job-facts.ts'
import { compareNames } from '../groups/room-order.ts'

export interface ReviewLine {
  readonly id: string
  /** Null for a line that left the plan before this window saw it. */
  readonly change: PlanLine['change'] | null
  readonly deviceId: string
  readonly deviceName: string
  readonly groupId: string
  readonly groupName: string
  readonly uri: string
  readonly blocked: PlanLine['blocked']
  readonly failure: Failure | null
  /** Its state in the job that is shown; null: not part of it. */
  readonly run: ItemState | null
  readonly attempts: number
  readonly at: number | null
}

export interface Names {
  device(id: string): DeviceRow | undefined
  group(id: string): ApplicationGroupRow | undefined
}

/**
 * A confirmed line leaves the plan while its job still runs, so the lines of a job are told from its items, filled up from the plan
 * as it was when the line was last seen.
 */
export function reviewLines(
  plan: Iterable<PlanLine>,
  seen: ReadonlyMap<string, PlanLine>,
  items: ReadonlyMap<string, JobItemRow>,
  names: Names,
): readonly ReviewLine[] {
  const lines: ReviewLine[] = []
  const done = new Set<string>()
  for (const line of plan) {
    done.add(line.id)
    lines.push(fromPlan(line, items.get(line.id)))
  }
  for (const item of items.values()) {
    if (done.has(item.subject)) continue
    const before = seen.get(item.subject)
    lines.push(before === undefined ? fromItem(item, names) : fromPlan({ ...before, blocked: null, failure: null }, item))
  }
  return lines
}

function fromPlan(line: PlanLine, item: JobItemRow | undefined): ReviewLine {
  return {
    ...line,
    failure: item?.failure ?? line.failure,
    run: item?.state ?? null,
    attempts: item?.attempts ?? 0,
    at: item?.at ?? null,
  }
}

function fromItem(item: JobItemRow, names: Names): ReviewLine {
  const [deviceId = '', groupId = ''] = item.subject.split(' ')
  const group = names.group(groupId)
  const device = names.device(deviceId)
  const label = namesInLabel(item.label, device?.name)
  return {
    id: item.subject,
    change: null,
    deviceId,
    deviceName: device?.name ?? label.device,
    groupId,
    groupName: group?.name ?? label.group,
    uri: group?.uri ?? '',
    blocked: null,
    failure: item.failure,
    run: item.state,
    attempts: item.attempts,
    at: item.at,
  }
}

const LABEL_SEPARATOR = ' · '

/** A job's item keeps the names of its device and its group, which may be gone by now. Names can hold the separator themselves. */
function namesInLabel(label: string, device: string | undefined): { readonly device: string; readonly group: string } {
  const known = device !== undefined && label.startsWith(device + LABEL_SEPARATOR)
  const at = known ? device.length : label.indexOf(LABEL_SEPARATOR)
  return at < 0 ? { device: label, group: '' } : { device: label.slice(0, at), group: label.slice(at + LABEL_SEPARATOR.length) }
}

/** The items of one job by what they work on. */
export function itemsOf(items: Iterable<JobItemRow>, job: Pick<JobRow, 'id' | 'state'> | null): ReadonlyMap<string, JobItemRow> {
  const bySubject = new Map<string, JobItemRow>()
  if (job === null) return bySubject
  for (const item of items) {
    if (item.jobId !== job.id) continue
    const state = itemStateIn(job, item.state)
    bySubject.set(item.subject, state === item.state ? item : { ...item, state })
  }
  return bySubject
}

/** The signs of a diff. */
export const changeSigns = { add: '+', update: '~', remove: '−' } as const

export type Arrangement = 'device' | 'change'

export interface ReviewGroup {
  readonly key: string
  readonly kind: 'failed' | 'device' | 'change'
  readonly title: string
  readonly change: PlanLine['change'] | null
  readonly lines: readonly ReviewLine[]
}

const changeOrder = { add: 0, update: 1, remove: 2 } as const
const rankOfChange = (change: PlanLine['change'] | null): number => (change === null ? 3 : changeOrder[change])

/** Failed lines of the job come first, whatever the arrangement: they are what is to be looked at. */
export function arrange(lines: readonly ReviewLine[], by: Arrangement): readonly ReviewGroup[] {
  const failed = lines.filter((line) => line.run === 'failed')
  const groups = new Map<string, { title: string; change: PlanLine['change'] | null; lines: ReviewLine[] }>()
  for (const line of lines) {
    if (line.run === 'failed') continue
    const key = by === 'device' ? line.deviceId : `${line.change ?? '-'} ${line.groupId}`
    const title = by === 'device' ? line.deviceName : line.groupName
    const there = groups.get(key)
    if (there === undefined) groups.set(key, { title, change: by === 'device' ? null : line.change, lines: [line] })
    else there.lines.push(line)
  }
  const arranged = [...groups].map(([key, group]) => ({ key: `${by} ${key}`, kind: by, ...group, lines: group.lines.sort(inside(by)) }))
  arranged.sort(
    (a, b) =>
      compareNames(a.title, b.title) || rankOfChange(a.change) - rankOfChange(b.change) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0),
  )
  if (failed.length === 0) return arranged
  return [{ key: 'failed', kind: 'failed', title: '', change: null, lines: failed.sort(inside('device')) }, ...arranged]
}

function inside(by: Arrangement): (a: ReviewLine, b: ReviewLine) => number {
  return by === 'device'
    ? (a, b) =>
        compareNames(a.deviceName, b.deviceName) ||
        rankOfChange(a.change) - rankOfChange(b.change) ||
        compareNames(a.groupName, b.groupName)
    : (a, b) => compareNames(a.deviceName, b.deviceName)
}

export interface Totals {
  readonly add: number
  readonly update: number
  readonly remove: number
  readonly blocked: number
  readonly excluded: number
  /** Lines that a run would take, and the devices they are on. */
  readonly runnable: number
  readonly devices: number
}

export function totalsOf(lines: readonly ReviewLine[], excluded: ReadonlySet<string>): Totals {
  const totals = { add: 0, update: 0, remove: 0, blocked: 0, excluded: 0, runnable: 0 }
  const devices = new Set<string>()
  for (const line of lines) {
    if (line.change !== null) totals[line.change]++
    if (line.blocked !== null) totals.blocked++
    else if (excluded.has(line.id)) totals.excluded++
    else {
      totals.runnable++
      devices.add(line.deviceId)
    }
  }
  return { ...totals, devices: devices.size }
}

export type ReviewRow =
  | { readonly kind: 'group'; readonly key: string; readonly group: ReviewGroup; readonly open: boolean }
  | { readonly kind: 'line'; readonly key: string; readonly line: ReviewLine; readonly within: ReviewGroup['kind'] | 'alone' }
  | { readonly kind: 'requests'; readonly key: string; readonly line: ReviewLine }

/**
 * The groups as rows of a list, folded groups without their lines, lines whose requests are shown with a row for them.
 * A device with a single change needs no head above it.
 */
export function flatten(groups: readonly ReviewGroup[], folded: ReadonlySet<string>, showing: ReadonlySet<string>): readonly ReviewRow[] {
  const rows: ReviewRow[] = []
  const addLine = (line: ReviewLine, within: ReviewGroup['kind'] | 'alone'): void => {
    rows.push({ kind: 'line', key: `line ${line.id}`, line, within })
    if (showing.has(line.id)) rows.push({ kind: 'requests', key: `requests ${line.id}`, line })
  }
  for (const group of groups) {
    const [only, second] = group.lines
    if (group.kind === 'device' && only !== undefined && second === undefined) {
      addLine(only, 'alone')
      continue
    }
    const open = !folded.has(group.key)
    rows.push({ kind: 'group', key: group.key, group, open })
    if (!open) continue
    for (const line of group.lines) addLine(line, group.kind)
  }
  return rows
}

/** A blocked line cannot run, a confirmed one need not. */
export function canRun(line: ReviewLine): boolean {
  return line.blocked === null && line.run !== 'ok'
}

export type Tick = 'all' | 'some' | 'none' | 'blocked'

/** The tick of a group of lines: lines that cannot run have none. */
export function tickOf(group: ReviewGroup, excluded: ReadonlySet<string>): Tick {
  const open = group.lines.filter(canRun)
  if (open.length === 0) return 'blocked'
  const taken = open.filter((line) => !excluded.has(line.id)).length
  return taken === 0 ? 'none' : taken === open.length ? 'all' : 'some'
}
