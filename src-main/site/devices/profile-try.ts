// A profile tried on a real device, step by step. It only asks, unless writing is allowed; then what it writes, it takes away again.
import { delay, toAppError, type Clock } from '#main/base/index.ts'
import { linksIn } from './core-links.ts'
import type { DeviceContact, DeviceProfile, GroupTarget } from './profile.ts'

export type TrialStepName = 'recognise' | 'identity' | 'memberships' | 'read-back' | 'identify' | 'write' | 'written' | 'remove' | 'removed'

export interface TrialStep {
  readonly step: TrialStepName
  /** `skipped`: it would change the device. */
  readonly outcome: 'ok' | 'failed' | 'skipped'
  /** What was read, or why it failed. */
  readonly text: string
}

export interface TrialOptions {
  readonly clock: Clock
  readonly write: boolean
  readonly signal?: AbortSignal
}

/** A group that nobody uses: link-local, transient (RFC 4291 §2.7). */
export const TRIAL_GROUP: GroupTarget = { name: 'groupwright-trial', address: 'ff12::6777:7472', port: 5683 }
const IDENTIFY_SECONDS = 2
const PAUSE_MS = 200

export async function tryProfile(profile: DeviceProfile, contact: DeviceContact, options: TrialOptions): Promise<readonly TrialStep[]> {
  const { clock, write, signal } = options
  const group = profile.trialGroup?.() ?? TRIAL_GROUP
  const steps: TrialStep[] = []
  /** Later steps still run: each says something of its own. */
  const run = async (step: TrialStepName, work: () => Promise<string>): Promise<boolean> => {
    try {
      steps.push({ step, outcome: 'ok', text: await work() })
      return true
    } catch (thrown) {
      signal?.throwIfAborted()
      const { code, message } = toAppError(thrown)
      steps.push({ step, outcome: code === 'profile.not-supported' ? 'skipped' : 'failed', text: `${code}: ${message}` })
      return false
    }
  }
  const request = { method: 'GET', path: ['.well-known', 'core'] } as const
  await run('recognise', async () => {
    const links = linksIn(await contact.client.request(contact.at, request, signal === undefined ? {} : { signal }))
    return `${profile.recognises(links) ? 'recognised' : 'not recognised'} by ${links.length} links`
  })
  const first = steps[0]
  if (first?.text.startsWith('not ') === true) steps[0] = { ...first, outcome: 'failed' }
  await run('identity', async () => JSON.stringify(await profile.readIdentity(contact, signal)))
  await run('memberships', async () => JSON.stringify(await profile.readMemberships(contact, signal)))
  for (const { id } of profile.actions) await run('read-back', async () => `${id}: ${await profile.readBack(contact, id, group, signal)}`)
  if (!write) {
    const would = profile.describe('add', group).join('; ')
    steps.push({ step: 'identify', outcome: 'skipped', text: '' }, { step: 'write', outcome: 'skipped', text: would })
    return steps
  }
  await run('identify', async () => {
    await profile.identify(contact, IDENTIFY_SECONDS, signal)
    return `for ${IDENTIFY_SECONDS} s`
  })
  const written = await run('write', async () => {
    await profile.writeMembership(contact, group, signal)
    return profile.describe('add', group).join('; ')
  })
  const holdsTrial = async (): Promise<boolean> => {
    await delay(clock, PAUSE_MS, signal)
    const table = await profile.readMemberships(contact, signal)
    return table.some(({ name, address, port }) => name === group.name && address === group.address && port === group.port)
  }
  const check = async (step: 'written' | 'removed', wanted: boolean): Promise<void> => {
    const found = await run(step, async () => ((await holdsTrial()) === wanted ? 'read back' : ''))
    const last = steps.at(-1)
    if (found && last?.text === '')
      steps[steps.length - 1] = {
        step,
        outcome: 'failed',
        text: wanted ? 'the entry is not in the table' : 'the entry is still in the table',
      }
  }
  if (written) await check('written', true)
  // Also where the writing seems to have failed: its answer may have been lost.
  await run('remove', async () => {
    await profile.removeMembership(contact, group, signal)
    return profile.describe('remove', group).join('; ')
  })
  await check('removed', false)
  return steps
}
