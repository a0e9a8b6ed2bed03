// groupwright security …
import type { Command } from 'commander'
import { AppError, delay, systemClock } from '#main/base/index.ts'
import { securitySuite, type SecurityGroupRow } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import { secretOf } from '../secrets.ts'
import type { Session } from '../session.ts'
import { findDevice, findGroup } from './find.ts'
import { withSite } from './with-site.ts'

type Runs = (
  action: (context: CommandContext, ...names: readonly string[]) => Promise<number>,
) => (...found: readonly unknown[]) => Promise<void>

/** For so long a command waits until the members have the new keys; who has not got them by then is told the next time. */
const DELIVERY_MS = 60_000

export function securityCommands(program: Command, runs: Runs): void {
  const security = program.command('security').description('security groups: who can read what is sent to a group')
  security.command('ls').description('all security groups').action(runs(listSecurityGroups))
  security
    .command('show <group>')
    .description('one security group, its groups, members and what the checks say')
    .action(runs(showSecurityGroup))
  security
    .command('create <name> [groups...]')
    .description('a security group, protecting these application groups')
    .option('--suite <name>', securitySuite.options.join(', '), 'standard')
    .action(runs(createSecurityGroup))
  security.command('members <group>').description('members and the keys that they have').action(runs(listSecurityMembers))
  security
    .command('set <group>')
    .description('other algorithms, which bring new keys to all members, or another policy')
    .option('--suite <name>', securitySuite.options.join(', '))
    .option('--rekey-on-join <on-or-off>', 'new keys before somebody new gets any')
    .option('--after-leaves <n>', 'new keys after so many leaves', Number)
    .option('--within-minutes <n>', 'a leave waits no longer than this', Number)
    .option('--lifetime-days <n>', 'new keys after so many days at the latest', Number)
    .option('--comment <text>', 'a remark')
    .action(runs(setSecurityGroup))
  security.command('rekey <group>').description('new keys for all members, now').action(runs(rekeyGroup))
  security
    .command('evict <group> <devices...>')
    .description('take devices out; everybody else gets new keys')
    .option('--yes', 'do it; without it, tell the effect', false)
    .action(runs(evictMembers))
  security
    .command('protect <group> [security...]')
    .description('protect an application group by security groups, or leave it unprotected for a reason')
    .option('--nosec <reason>', 'unprotected: whoever is near can listen and send')
    .action(runs(protectGroup))
  security.command('check').description('what the checks of the relations between groups say').action(runs(listFindings))
  security.command('keyring').description('how the keyring is kept that seals all keys, and what makes it safer').action(runs(showKeyring))
  security
    .command('enrol <device>')
    .description('the OSCORE context that a device was given elsewhere; the Master Secret in hex from a file or GROUPWRIGHT_SECRET')
    .option('--secret-file <file>', 'its first line; - for standard input')
    .option('--salt <hex>', 'the Master Salt', '')
    .requiredOption('--device-id <hex>', 'the Sender ID of the device')
    .requiredOption('--tool-id <hex>', 'the Sender ID of this tool')
    .action(runs(enrolDevice))
  security.command('start-anew').description('forget keys that cannot be opened; devices have to be enrolled again').action(runs(startAnew))
}

async function listSecurityGroups(context: CommandContext): Promise<number> {
  return withSite(context, ({ session }) => {
    context.output.table(session.rows('securityGroups'), ['name', 'suite', 'outcome', 'generation', 'wanted', 'joined', 'current'])
    return Promise.resolve(EXIT.ok)
  })
}

async function showSecurityGroup(context: CommandContext, name = ''): Promise<number> {
  return withSite(context, ({ session }) => {
    const group = findSecurityGroup(session, name)
    const groups = new Map(session.rows('applicationGroups').map((row) => [row.id, row.name]))
    const protects = group.groupIds.map((id) => groups.get(id) ?? id)
    const findings = session
      .rows('securityFindings')
      .filter(({ subject }) => subject.id === group.id || group.groupIds.includes(subject.id))
    const members = session.rows('securityMembers').filter((row) => row.securityGroupId === group.id)
    const text = [
      `${group.name}: ${group.suite}, ${group.outcome}, keys ${group.generation ?? '–'}, ${group.current} of ${group.wanted} members have the newest`,
      `protects ${protects.join(', ') || 'nothing'}`,
      ...findings.map(({ severity, rule, section, params }) => `${severity}: ${rule} ${JSON.stringify(params)} (${section})`),
    ]
    context.output.value({ ...group, protects, members, findings }, text.join('\n'))
    return Promise.resolve(EXIT.ok)
  })
}

async function setSecurityGroup(context: CommandContext, name = ''): Promise<number> {
  const { suite: wanted, rekeyOnJoin, afterLeaves, withinMinutes, lifetimeDays, comment } = context.options
  const suite = securitySuite.optional().safeParse(wanted)
  if (!suite.success)
    throw new AppError('input.invalid', `Suites are ${securitySuite.options.join(', ')}`, { details: { option: '--suite' } })
  if (rekeyOnJoin !== undefined && rekeyOnJoin !== 'on' && rekeyOnJoin !== 'off')
    throw new AppError('input.invalid', 'Say on or off', { details: { option: '--rekey-on-join' } })
  return withSite(context, async ({ session }) => {
    const { id, generation: before } = findSecurityGroup(session, name)
    const policy = {
      ...(rekeyOnJoin === undefined ? {} : { rekeyOnJoin: rekeyOnJoin === 'on' }),
      ...(afterLeaves === undefined ? {} : { rekeyAfterLeaves: afterLeaves }),
      ...(withinMinutes === undefined ? {} : { rekeyWithinMinutes: withinMinutes }),
      ...(lifetimeDays === undefined ? {} : { lifetimeDays }),
    }
    const patch = { policy, ...(suite.data === undefined ? {} : { suite: suite.data }), ...(comment === undefined ? {} : { comment }) }
    await session.call('security.update', { id, patch })
    const row = session.rows('securityGroups').find((group) => group.id === id)
    if (typeof row?.generation === 'number' && row.generation !== before) return delivered(context, session, id, row.generation)
    context.output.value(row, `${row?.name ?? name}: ${row?.suite ?? ''}, ${JSON.stringify(row?.policy)}`)
    return EXIT.ok
  })
}

const KEYRING_WORDS = {
  system: 'sealed by the key store of this computer',
  passphrase: 'sealed under a passphrase',
  file: 'UNPROTECTED: file permissions alone keep their seal; set GROUPWRIGHT_KEYRING_PASSPHRASE_FILE before the keyring is first made',
} as const

async function showKeyring(context: CommandContext): Promise<number> {
  return withSite(context, ({ session }) => {
    const row = session.rows('security')[0]
    const words = row === undefined || row.protection === null ? (row?.failure?.message ?? 'not known') : KEYRING_WORDS[row.protection]
    context.output.value(row, `Keys are ${words}. ${row?.enrolled ?? 0} devices share keys with this tool.`)
    return Promise.resolve(row?.state === 'ready' ? EXIT.ok : EXIT.incomplete)
  })
}

async function enrolDevice(context: CommandContext, device = ''): Promise<number> {
  const masterSecret = secretOf(context.options)
  if (masterSecret === undefined)
    throw new AppError('input.invalid', 'Name a file with --secret-file, or set GROUPWRIGHT_SECRET', {
      details: { option: '--secret-file' },
    })
  return withSite(context, async ({ session }) => {
    const { id, name } = findDevice(session, device)
    const { salt = '', deviceId = '', toolId = '' } = context.options
    await session.call('security.enrol', {
      deviceId: id,
      masterSecret: masterSecret.trim(),
      masterSalt: salt,
      deviceSenderId: deviceId,
      toolSenderId: toolId,
    })
    context.output.value({ device: name, enrolled: true }, `${name} shares keys with this tool now.`)
    return EXIT.ok
  })
}

async function listSecurityMembers(context: CommandContext, name = ''): Promise<number> {
  return withSite(context, ({ session }) => {
    const { id } = findSecurityGroup(session, name)
    const names = new Map(session.rows('devices').map((device) => [device.id, device.name]))
    const rows = session.rows('securityMembers').filter((row) => row.securityGroupId === id)
    context.output.table(
      rows.map((row) => ({ ...row, device: names.get(row.deviceId) ?? row.deviceId, roles: rolesText(row) })),
      ['device', 'roles', 'outcome', 'keys', 'generation', 'failures'],
    )
    return Promise.resolve(EXIT.ok)
  })
}

async function createSecurityGroup(context: CommandContext, name = '', ...groups: readonly string[]): Promise<number> {
  const suite = securitySuite.safeParse(context.options.suite ?? 'standard')
  if (!suite.success)
    throw new AppError('input.invalid', `Suites are ${securitySuite.options.join(', ')}`, { details: { option: '--suite' } })
  return withSite(context, async ({ session }) => {
    const groupIds = groups.map((group) => findGroup(session, group).id)
    const { id } = await session.call('security.create', { name, suite: suite.data, groupIds })
    const row = await session.when('securityGroups', (group) => group.id === id)
    context.output.value(row, `${row.name}: its members join with the next apply`)
    return EXIT.ok
  })
}

async function rekeyGroup(context: CommandContext, name = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    const { id } = findSecurityGroup(session, name)
    const { generation } = await session.call('security.rekey', { id })
    return delivered(context, session, id, generation)
  })
}

async function evictMembers(context: CommandContext, name = '', ...devices: readonly string[]): Promise<number> {
  return withSite(context, async ({ session }) => {
    const { id } = findSecurityGroup(session, name)
    const deviceIds = devices.map((device) => findDevice(session, device).id)
    const effect = await session.call('security.evictionEffect', { id, deviceIds })
    if (context.options.yes !== true) {
      const text = [
        `${effect.losers.map((loser) => loser.name).join(', ')} would lose access to ${effect.applicationGroups.join(', ') || effect.securityGroupName}.`,
        `${effect.remaining} members would get new keys in ${effect.messages} messages (about ${(effect.airTimeMs / 1000).toFixed(1)} s on air); ${effect.unreachable} have to ask for them.`,
        'Nothing was done; say --yes to do it.',
      ]
      context.output.value(effect, text.join('\n'))
      return EXIT.ok
    }
    const { generation } = await session.call('security.evict', { id, deviceIds })
    return delivered(context, session, id, generation)
  })
}

async function protectGroup(context: CommandContext, group = '', ...names: readonly string[]): Promise<number> {
  const { nosec } = context.options
  if ((nosec === undefined) === (names.length === 0)) {
    throw new AppError('input.invalid', 'Either security groups are wanted, or --nosec with a reason', { details: { option: '--nosec' } })
  }
  return withSite(context, async ({ session }) => {
    const { id, name } = findGroup(session, group)
    const securityGroupIds = names.map((each) => findSecurityGroup(session, each).id)
    const how = nosec === undefined ? { mode: 'secured' as const, securityGroupIds } : { mode: 'nosec' as const, reason: nosec }
    await session.call('security.protect', { groupIds: [id], how })
    context.output.value(
      { group: name, ...how },
      nosec === undefined ? `${name} is protected with the next apply` : `${name} is UNPROTECTED: ${nosec}`,
    )
    return EXIT.ok
  })
}

async function listFindings(context: CommandContext): Promise<number> {
  return withSite(context, ({ session }) => {
    const rows = session.rows('securityFindings')
    context.output.table(
      rows.map((row) => ({ ...row, about: row.subject.name })),
      ['severity', 'rule', 'about', 'params', 'section'],
    )
    return Promise.resolve(rows.some(({ severity }) => severity === 'error') ? EXIT.incomplete : EXIT.ok)
  })
}

async function startAnew(context: CommandContext): Promise<number> {
  return withSite(context, async ({ session }) => {
    await session.call('security.startAnew', {})
    context.output.value({ startedAnew: true }, 'The security groups begin anew.')
    return EXIT.ok
  })
}

/** Waits until everybody who is left has the keys; who could not be told is told later, and asks by itself, too. */
async function delivered(context: CommandContext, session: Session, id: string, generation: number): Promise<number> {
  const countBehind = (): number =>
    session.rows('securityMembers').filter((row) => row.securityGroupId === id && row.keys === 'behind').length
  const isDone = (row: SecurityGroupRow): boolean => row.id === id && (row.generation ?? 0) >= generation && countBehind() === 0
  const done = await within(session.when('securityGroups', isDone), DELIVERY_MS)
  const row = done ?? session.rows('securityGroups').find((group) => group.id === id)
  const behind = countBehind()
  context.output.value(
    row,
    behind === 0 ? `All ${row?.joined ?? 0} members have keys ${generation}.` : `${behind} members do not have keys ${generation} yet.`,
  )
  return behind === 0 ? EXIT.ok : EXIT.incomplete
}

async function within<Value>(work: Promise<Value>, limitMs: number): Promise<Value | undefined> {
  const limit = new AbortController()
  try {
    return await Promise.race([work, delay(systemClock, limitMs, limit.signal).then(() => undefined)])
  } finally {
    limit.abort()
  }
}

function findSecurityGroup(session: Session, text: string): SecurityGroupRow {
  const group = session.rows('securityGroups').find((row) => row.id === text || row.name === text)
  if (group === undefined) throw new AppError('group.not-found', `No security group is called ${text}`, { details: { group: text } })
  return group
}

function rolesText({ requester, responder }: { readonly requester: boolean; readonly responder: boolean }): string {
  return [...(requester ? ['requester'] : []), ...(responder ? ['responder'] : [])].join(', ')
}
