// groupwright groups split, merge, move, …: maintenance of groups, looked at first with --dry-run (groupcomm-bis §2.2.4).
import type { Command } from 'commander'
import { AppError } from '#main/base/index.ts'
import type { MaintenanceOperation, MaintenancePlan } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import type { Session } from '../session.ts'
import { finishJob } from './effects.ts'
import { findDevice, findGroup } from './find.ts'
import { withSite } from './with-site.ts'

type Action = (context: CommandContext, ...names: readonly string[]) => Promise<number>
type Runs = (action: Action) => (...found: readonly unknown[]) => Promise<void>
type Reads = (session: Session, context: CommandContext, names: readonly string[]) => MaintenanceOperation

export function addMaintenanceCommands(groups: Command, runs: Runs): void {
  const add = (usage: string, about: string, reads: Reads): Command =>
    groups
      .command(usage)
      .description(about)
      .option('--dry-run', 'only say what would be sent', false)
      .action(runs((context, ...names) => maintain(context, names, reads)))
  add('members <group>', 'add and take out members, in an order in which the room keeps working', (session, { options }, [group = '']) => ({
    kind: 'members',
    groupId: findGroup(session, group).id,
    add: (options.add ?? []).map((name) => findDevice(session, name).id),
    remove: (options.remove ?? []).map((name) => findDevice(session, name).id),
  }))
    .option('--add <devices...>', 'who comes')
    .option('--remove <devices...>', 'who goes')
  add('rename <group> <name>', 'give a group another name', (session, _, [group = '', name = '']) => ({
    kind: 'rename',
    groupId: findGroup(session, group).id,
    name,
  }))
  add(
    'move <group>',
    'move a group to another address or port; without either the program chooses an address',
    (session, { options }, [group = '']) => ({
      kind: 'move',
      groupId: findGroup(session, group).id,
      ...(options.address === undefined ? {} : { address: options.address }),
      ...(options.port === undefined ? {} : { port: options.port }),
    }),
  )
    .option('--address <address>', 'an IP multicast address')
    .option('--port <port>', 'a UDP port', Number)
  add('uri <group>', 'give a group another group URI', (session, { options }, [group = '']) => ({
    kind: 'uri',
    groupId: findGroup(session, group).id,
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.coapGroup === undefined ? {} : { coapGroupId: coapGroupNamed(session, options.coapGroup) }),
  }))
    .option('--name <name>', 'another name')
    .option('--coap-group <name>', 'another CoAP group')
  add(
    'split <group> <name> <devices...>',
    'make some members a group of their own',
    (session, { options }, [group = '', name = '', ...devices]) => ({
      kind: 'split',
      groupId: findGroup(session, group).id,
      name,
      members: devices.map((device) => findDevice(session, device).id),
      sameCoapGroup: options.sameAddress ?? false,
    }),
  ).option('--same-address', 'on the same CoAP group', false)
  add('merge <into> <groups...>', 'bring the members of groups into one', (session, _, [into = '', ...others]) => ({
    kind: 'merge',
    into: findGroup(session, into).id,
    groupIds: others.map((name) => findGroup(session, name).id),
  }))
  add('secure <group> <security-group>', 'protect a group by another security group', (session, _, [group = '', guard = '']) => ({
    kind: 'security',
    groupId: findGroup(session, group).id,
    securityGroupId: securityGroupNamed(session, guard),
  }))
  add('rekey <security-group>', 'new keys for all members; cannot be undone', (session, _, [guard = '']) => ({
    kind: 'rekey',
    securityGroupId: securityGroupNamed(session, guard),
  }))
  add(
    'replace <device> <by>',
    'another device takes over name, room and groups; the old one loses keys and certificates',
    (session, _, [old = '', by = '']) => ({
      kind: 'replace',
      deviceId: findDevice(session, old).id,
      byId: findDevice(session, by).id,
    }),
  )
  add('retire <group>', 'have all members let go of a group', (session, _, [group = '']) => ({
    kind: 'retire',
    groupId: findGroup(session, group).id,
  }))
  groups
    .command('open-changes')
    .description('changes that have not reached every device yet')
    .action(
      runs((context) =>
        withSite(context, ({ session }) => {
          context.output.table(session.rows('maintenance'), ['kind', 'name', 'left', 'total', 'waitingFor'])
          return Promise.resolve(EXIT.ok)
        }),
      ),
    )
}

async function maintain(context: CommandContext, names: readonly string[], reads: Reads): Promise<number> {
  return withSite(
    context,
    async ({ session }) => {
      const operation = reads(session, context, names)
      if (context.options.dryRun === true) {
        const plan = await session.call('maintenance.preview', { operation })
        context.output.value(plan, planText(plan))
        return EXIT.ok
      }
      const done = await session.call('maintenance.run', { operation })
      if (done.jobId !== null) return finishJob(context, session, done.jobId, operation.kind)
      context.output.value(done, done.unreachable > 0 ? `planned; ${done.unreachable} wait for devices that cannot be reached` : 'done')
      return EXIT.ok
    },
    { resumeJobs: true },
  )
}

function planText(plan: MaintenancePlan): string {
  return [
    ...plan.steps.map(({ phase, change, deviceName, groupName, uri }) =>
      [phase, change, deviceName, groupName, uri].filter((part) => part !== '').join('  '),
    ),
    `${plan.devices} devices, ${plan.messages} messages, about ${(plan.airTimeMs / 1000).toFixed(1)} s on the air`,
    ...(plan.unreachable.length > 0 ? [`cannot be reached now: ${plan.unreachable.join(', ')}`] : []),
    ...(plan.irreversible.length > 0 ? [`undo does not bring back: ${plan.irreversible.join(', ')}`] : []),
  ].join('\n')
}

function coapGroupNamed(session: Session, name: string): string {
  const group = session.rows('coapGroups').find((row) => row.id === name || row.name === name)
  if (group === undefined) throw new AppError('group.not-found', `No CoAP group is called ${name}`, { details: { group: name } })
  return group.id
}

function securityGroupNamed(session: Session, name: string): string {
  const group = session.rows('securityGroups').find((row) => row.id === name || row.name === name)
  if (group === undefined) throw new AppError('group.not-found', `No security group is called ${name}`, { details: { group: name } })
  return group.id
}
