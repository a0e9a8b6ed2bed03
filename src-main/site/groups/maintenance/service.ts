// Maintenance as it is run: one edit of the project, then one apply job in the order of its phases. What takes something away waits until
// what replaces it is confirmed; an operation stays on record until the last device has been told.
import { AppError, KeyedFeed, newId, type Clock, type Random } from '#main/base/index.ts'
import type { ItemContext, JobRunner, JobService } from '#main/site/jobs/index.ts'
import type { MaintenanceOperation, MaintenancePlan, MaintenanceRow, PlanLine, SecurityPlanLine } from '#contract/model.ts'
import type { JobItem } from '../engine.ts'
import { readMembershipKey } from '../plan.ts'
import { OpenSubjects } from './open-subjects.ts'
import { perform } from './perform.ts'
import { FIRST_STOP, phaseOf, roleOf } from './phases.ts'
import { nameOf, previewOf, type PreviewPorts } from './preview.ts'
import type { MaintenanceRecord, MaintenanceStore } from './types.ts'

export interface MaintenancePorts extends PreviewPorts {
  readonly store: MaintenanceStore
  readonly jobs: Pick<JobService, 'start' | 'feed' | 'queued'>
  readonly clock: Clock
  readonly random: Random
}

export interface Maintenance {
  /** Operations that have not reached every device yet. */
  readonly feed: KeyedFeed<MaintenanceRow>
  /** Throws what running it would throw; nothing is changed. */
  preview(operation: MaintenanceOperation): MaintenancePlan
  /** The edit alone; what it left to be sent is started as a job by `start`. */
  edit(
    operation: MaintenanceOperation,
    actor: string,
  ): {
    readonly start: () => { readonly jobId: string | null; readonly steps: number; readonly unreachable: number }
  }
  /** The runner of apply jobs, in which items of maintenance wait for what they need. */
  inOrder(runner: JobRunner): JobRunner
  close(): void
}

/** Operations on record; what is finished makes room first. */
const MOST_RECORDS = 100
const WAITING_SHOWN = 5

interface Line {
  readonly id: string
  readonly phase: number
  readonly label: string
  readonly blocked: boolean
}

export function createMaintenance(ports: MaintenancePorts): Maintenance {
  const { groups, devices, security, deviceCare, store, jobs, clock, random } = ports
  const feed = new KeyedFeed<MaintenanceRow>((row) => row.id)
  /** Items under way of each operation, with their phases. */
  const underWay = new Map<string, Map<string, { readonly phase: number; readonly end: Promise<undefined> }>>()

  const isOpen = (subject: string): boolean => groups.planFeed.get(subject) !== undefined || security.plan.get(subject) !== undefined
  let records: readonly OpenSubjects[] = store.load().map((record) => new OpenSubjects(record, isOpen))
  const show = (shown: readonly OpenSubjects[]): void => {
    feed.delete(shown.flatMap(({ record, all }) => (all.size === 0 ? [record.id] : [])))
    feed.setAll(shown.flatMap((each) => (each.all.size === 0 ? [] : [rowOf(each)])).filter((row) => !sameRow(row, feed.get(row.id))))
  }
  function rowOf({ record: { id, kind, name, at, jobId }, all, total }: OpenSubjects): MaintenanceRow {
    const names = new Set<string>()
    for (const subject of all) {
      names.add(devices.get(readMembershipKey(subject)?.deviceId ?? '')?.name ?? subject)
      if (names.size === WAITING_SHOWN) break
    }
    return { id, kind, name, at, jobId, total, left: all.size, waitingFor: [...names] }
  }
  const onPlan = (ids: readonly string[]): void => show(records.filter((each) => each.update(ids)))
  const ends = [groups.planFeed.subscribe(onPlan), security.plan.subscribe(onPlan)]
  show(records)

  function lines(): ReadonlyMap<string, PlanLine | SecurityPlanLine> {
    return new Map<string, PlanLine | SecurityPlanLine>([...groups.planFeed.rows(), ...security.plan.rows()].map((line) => [line.id, line]))
  }

  /** What the edit has added to the plans, in the order in which it is to be sent. */
  function added(before: ReturnType<typeof lines>): readonly Line[] {
    const found: Line[] = []
    for (const line of lines().values()) {
      const known = before.get(line.id)
      if (known?.change === line.change && JSON.stringify(known) === JSON.stringify(line)) continue
      const role = roleOf(devices.get(line.deviceId)?.type)
      const groupName = 'groupName' in line ? line.groupName : line.securityGroupName
      found.push({
        id: line.id,
        phase: phaseOf(line.change, role),
        label: `${line.deviceName} · ${groupName}`,
        blocked: line.blocked !== null,
      })
    }
    return found.toSorted((a, b) => a.phase - b.phase)
  }

  function edit(operation: MaintenanceOperation, actor: string): ReturnType<Maintenance['edit']> {
    const name = nameOf(operation, ports)
    const before = lines()
    perform(operation, { groups, security, devices: deviceCare, actor, get: (id) => devices.get(id) })
    const made = added(before)
    return {
      start() {
        const queued = jobs.queued('apply')
        const items: JobItem[] = made.flatMap(({ id, label, blocked }) => (blocked || queued.has(id) ? [] : [{ subject: id, label }]))
        const phases = Object.fromEntries(made.map(({ id, phase }) => [id, phase]))
        const record = { id: newId('care', random), kind: operation.kind, name, at: clock.now(), jobId: null, phases }
        // On record before anything is sent: an operation that is cut short is known after the next start.
        if (made.length > 0) keep(record)
        const jobId = items.length === 0 ? null : jobs.start('apply', name, items)
        if (jobId !== null) keep({ ...record, jobId })
        return { jobId, steps: made.length, unreachable: made.filter(({ blocked }) => blocked).length }
      },
    }
  }

  function keep(record: MaintenanceRecord): void {
    const others = records.filter(({ record: { id }, all }) => id !== record.id && all.size > 0)
    const next = [...others, new OpenSubjects(record, isOpen)].slice(-MOST_RECORDS)
    store.save(next.map((each) => each.record))
    const kept = new Set(next.map((each) => each.record.id))
    records = next
    feed.delete(feed.keys().filter((id) => !kept.has(id)))
    show(next)
  }

  /** The operation that a job is of; a job that tries failed items again is of the same. */
  function operationOf(jobId: string): OpenSubjects | undefined {
    for (let id: string | null = jobId; id !== null; id = jobs.feed.get(id)?.retryOf ?? null) {
      const found = records.find(({ record }) => record.jobId === id)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** What takes something away from a device needs what replaces it, there and with those that it talks to. */
  function requireGround({ starts }: OpenSubjects, subject: string, phase: number): void {
    if (phase < FIRST_STOP) return
    const deviceId = readMembershipKey(subject)?.deviceId
    const opposite = phase === FIRST_STOP ? 'member' : 'client'
    const open = [...starts].filter((other) => {
      const otherId = readMembershipKey(other)?.deviceId ?? ''
      return otherId === deviceId || roleOf(devices.get(otherId)?.type) === opposite
    })
    if (open.length === 0) return
    const names = [...new Set(open.map((other) => devices.get(readMembershipKey(other)?.deviceId ?? '')?.name ?? other))]
    throw new AppError('maintenance.waiting', `${names.length} devices do not have what comes in its place yet`, {
      retryable: true,
      details: { devices: names.slice(0, 20) },
    })
  }

  async function run(runner: JobRunner, subject: string, context: ItemContext): ReturnType<JobRunner['run']> {
    const operation = operationOf(context.jobId)
    const phase = operation?.record.phases[subject]
    if (operation === undefined || phase === undefined) return runner.run(subject, context)
    const { record } = operation
    const running = underWay.get(record.id) ?? new Map<string, { readonly phase: number; readonly end: Promise<undefined> }>()
    underWay.set(record.id, running)
    // Items start in order, so that nobody waits for one that has not begun.
    const earlier = [...running.values()].filter((other) => other.phase < phase).map(({ end }) => end)
    const { promise: end, resolve } = Promise.withResolvers<undefined>()
    running.set(subject, { phase, end })
    try {
      await Promise.all(earlier)
      context.signal.throwIfAborted()
      requireGround(operation, subject, phase)
      return await runner.run(subject, context)
    } finally {
      resolve(undefined)
      running.delete(subject)
      if (running.size === 0) underWay.delete(record.id)
    }
  }

  return {
    feed,
    preview: (operation) => previewOf(operation, ports),
    edit,
    inOrder: (runner) => (runner.kind === 'apply' ? { ...runner, run: (subject, context) => run(runner, subject, context) } : runner),
    close: () => ends.forEach((end) => end()),
  }
}

function sameRow(a: MaintenanceRow, b: MaintenanceRow | undefined): boolean {
  return a.left === b?.left && a.jobId === b.jobId && a.waitingFor.join(' ') === b.waitingFor.join(' ')
}
