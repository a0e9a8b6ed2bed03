// groupwright admit …: the window, the policy, and what is decided about devices that ask to join.
import { AppError } from '#main/base/index.ts'
import { admissionMode, pledgeState } from '#contract/model.ts'
import type { AdmissionDecision, AdmissionRow, PledgeRow } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import type { Session } from '../session.ts'
import { findDevice } from './find.ts'
import { oneOf } from './ra-shared.ts'
import { withSite } from './with-site.ts'

/** As many signs of a pledge's key tell it from others on one screen. */
const SHORT_KEY = 12
const SHORTEST_PREFIX = 6

export async function admissionStatus(context: CommandContext): Promise<number> {
  return withSite(context, ({ session }) => Promise.resolve(tellStatus(context, session)))
}

export async function openWindow(context: CommandContext): Promise<number> {
  const { minutes } = context.options
  return withSite(context, async ({ session }) => {
    await session.call('admission.open', minutes === undefined ? {} : { minutes })
    return tellStatus(context, session)
  })
}

export async function closeWindow(context: CommandContext): Promise<number> {
  return withSite(context, async ({ session }) => {
    await session.call('admission.close', {})
    return tellStatus(context, session)
  })
}

export async function admissionPolicy(context: CommandContext, mode?: string): Promise<number> {
  const { unlisted, minutes } = context.options
  if (unlisted !== undefined && unlisted !== 'wait' && unlisted !== 'refuse')
    throw new AppError('input.invalid', '--unlisted takes wait or refuse', { details: { option: '--unlisted' } })
  const patch = {
    ...(mode === undefined ? {} : { mode: oneOf(admissionMode, mode, 'the policy') }),
    ...(unlisted === undefined ? {} : { unlistedMayWait: unlisted === 'wait' }),
    ...(minutes === undefined ? {} : { windowMinutes: minutes }),
  }
  return withSite(context, async ({ session }) => {
    if (Object.keys(patch).length > 0) await session.call('admission.setPolicy', patch)
    const { policy } = statusOf(session)
    const others = policy.unlistedMayWait ? 'others wait' : 'others are refused'
    context.output.value(policy, `${policy.mode}; ${others}; the window is open for ${policy.windowMinutes} minutes`)
    return EXIT.ok
  })
}

export async function listPledges(context: CommandContext): Promise<number> {
  const { state } = context.options
  const wanted = state === undefined ? undefined : oneOf(pledgeState, state, '--state')
  return withSite(context, ({ session }) => {
    const rows = session.rows('pledges').filter((row) => wanted === undefined || row.state === wanted)
    const names = new Map(session.rows('devices').map(({ id, name }) => [id, name]))
    const shown = context.output.json
      ? rows
      : rows.map((row) => ({
          key: row.key.slice(0, SHORT_KEY),
          serial: row.serialNumber,
          eui64: row.eui64,
          device: row.deviceId === null ? null : names.get(row.deviceId),
          state: row.state,
          step: `${row.step} ${row.outcome}`,
          reason: row.code,
          do: row.actions[0],
        }))
    context.output.table(shown, ['key', 'serial', 'eui64', 'device', 'state', 'step', 'reason', 'do'])
    return Promise.resolve(EXIT.ok)
  })
}

export async function showPledge(context: CommandContext, name = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    const detail = await session.call('admission.pledge', { key: findPledge(session, name).key })
    const { pledge, match, decision, attempts } = detail
    context.output.value(
      detail,
      [
        `pledge        ${pledge.key}`,
        `serial        ${pledge.serialNumber ?? '–'}`,
        `EUI-64        ${pledge.eui64 ?? '–'}`,
        `maker         ${pledge.manufacturer}${pledge.makerKnown ? '' : ' (not known here)'}`,
        `came by       ${pledge.proxy ?? 'itself'}`,
        `list          ${match.verdict}`,
        ...match.differences.map(({ field, listed, said }) => `              ${field}: the list says ${listed}, the device ${said}`),
        `decision      ${pledge.decision}${decision === null ? '' : `, ${decision.by}${decision.reason === null ? '' : `: ${decision.reason}`}`}`,
        ...attempts.flatMap(({ number, startedAt, steps }) => [
          `attempt ${number}  ${new Date(startedAt).toISOString()}`,
          ...steps.map(
            (step) =>
              `  ${step.number} ${step.step.padEnd(12)} ${step.outcome.padEnd(8)} ${(step.elapsedMs / 1000).toFixed(1)} s` +
              `${step.code === null ? '' : `  ${step.code}`}${step.actions.length === 0 ? '' : `  (${step.actions.join(', ')})`}`,
          ),
        ]),
      ].join('\n'),
    )
    return EXIT.ok
  })
}

export async function allow(context: CommandContext, ...names: readonly string[]): Promise<number> {
  const { all = false, unknownMakers = false } = context.options
  if (all === names.length > 0) throw new AppError('input.invalid', 'Name the devices, or all that wait with --all', { details: {} })
  return withSite(context, async ({ session }) => {
    const waiting = session.rows('pledges').filter(({ state, step }) => state === 'waiting' && step === 'admitted')
    const keys = all ? waiting.map(({ key }) => key) : names.map((name) => findPledge(session, name).key)
    if (keys.length === 0) {
      context.output.value([], 'nobody waits')
      return EXIT.ok
    }
    return tellDecisions(context, await session.call('admission.admit', { keys, unknownMakers }))
  })
}

export async function deny(context: CommandContext, ...names: readonly string[]): Promise<number> {
  const { reason = '' } = context.options
  return withSite(context, async ({ session }) => {
    const subjects = names.map((name) => subjectOf(session, name))
    return tellDecisions(context, await session.call('admission.deny', { subjects, reason }))
  })
}

export async function undeny(context: CommandContext, ...names: readonly string[]): Promise<number> {
  return withSite(context, async ({ session }) => {
    const subjects = names.map((name) => subjectOf(session, name))
    return tellDecisions(context, await session.call('admission.undeny', { subjects }))
  })
}

export async function forget(context: CommandContext, ...names: readonly string[]): Promise<number> {
  return withSite(context, async ({ session }) => {
    const { count } = await session.call('admission.forget', { keys: names.map((name) => findPledge(session, name).key) })
    context.output.value({ count }, `${count} forgotten`)
    return EXIT.ok
  })
}

export async function assign(context: CommandContext, name = '', device = ''): Promise<number> {
  const { replace = false } = context.options
  return withSite(context, async ({ session }) => {
    const { key } = findPledge(session, name)
    const { id, name: deviceName } = findDevice(session, device)
    await session.call('admission.assign', { key, deviceId: id, replace })
    context.output.value({ key, deviceId: id }, `${name} is ${deviceName}`)
    return EXIT.ok
  })
}

function tellStatus({ output }: CommandContext, session: Session): number {
  const row = statusOf(session)
  const { counts, policy } = row
  output.value(
    row,
    [
      `window     ${row.closesAt === null ? 'closed' : `open until ${new Date(row.closesAt).toISOString()}`}`,
      `policy     ${policy.mode}`,
      `expected   ${counts.listed}, ${counts.missing} of them have not joined`,
      `devices    ${counts.waiting} waiting, ${counts.joining} joining, ${counts.failed} failed, ${counts.enrolled} enrolled, ${counts.denied} refused`,
      `vouchers   ${row.vouchersReady ? 'can be imported' : 'no registrar runs'}`,
    ].join('\n'),
  )
  return EXIT.ok
}

function statusOf(session: Session): AdmissionRow {
  const [row] = session.rows('admission')
  if (row === undefined) throw new AppError('site.none-open', 'No site is open')
  return row
}

function tellDecisions({ output }: CommandContext, decisions: readonly AdmissionDecision[]): number {
  const shown = output.json
    ? decisions
    : decisions.map(({ key, ok, code }) => ({ subject: key.slice(0, 40), done: ok ? 'yes' : 'no', why: code }))
  output.table(shown, ['subject', 'done', 'why'])
  return decisions.every(({ ok }) => ok) ? EXIT.ok : EXIT.incomplete
}

/** By serial number, EUI-64, name of its device, or the beginning of its key. Throws `join.pledge-unknown`, `input.invalid`. */
export function findPledge(session: Session, name: string): PledgeRow {
  const wanted = bare(name)
  const named = new Set(
    session
      .rows('devices')
      .filter((device) => device.name === name || device.id === name)
      .map(({ id }) => id),
  )
  const found = session.rows('pledges').filter(({ key, serialNumber, eui64, deviceId }) => {
    if (serialNumber !== null && bare(serialNumber) === wanted) return true
    if (eui64 === wanted || (deviceId !== null && named.has(deviceId))) return true
    return wanted.length >= SHORTEST_PREFIX && key.startsWith(wanted)
  })
  const [first] = found
  if (first === undefined) throw new AppError('join.pledge-unknown', `No device ${name} has asked to join`, { details: { device: name } })
  if (found.length > 1)
    throw new AppError('input.invalid', `${name} is not one device`, { details: { device: name, keys: found.map(({ key }) => key) } })
  return first
}

/** Its key where it has asked to join, else the name as it is. */
function subjectOf(session: Session, name: string): string {
  try {
    return findPledge(session, name).key
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'join.pledge-unknown') return name
    throw thrown
  }
}

function bare(text: string): string {
  const lower = text.trim().toLowerCase()
  const digits = lower.replace(/[-:. ]/g, '')
  return /^[0-9a-f]+$/.test(digits) ? digits : lower
}
