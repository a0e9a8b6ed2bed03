// groupwright access: the roles of a site and their PINs.
import type { Command } from 'commander'
import { AppError } from '#main/base/index.ts'
import { lockableRole } from '#contract/model.ts'
import type { LockableRole } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import { secretOf } from '../secrets.ts'
import { withSite } from './with-site.ts'

type Action = (context: CommandContext, ...names: readonly string[]) => Promise<number>
type Runs = (action: Action) => (...found: readonly unknown[]) => Promise<void>

function roleOf(text: string): LockableRole {
  const parsed = lockableRole.safeParse(text)
  if (!parsed.success) throw new AppError('input.invalid', `Roles are ${lockableRole.options.join(', ')}`, { details: { role: text } })
  return parsed.data
}

export async function showRoles(context: CommandContext): Promise<number> {
  return withSite(context, ({ session }) => {
    context.output.table([...(session.rows('access')[0]?.roles ?? [])], ['role', 'hasPin', 'held'])
    return Promise.resolve(EXIT.ok)
  })
}

export async function setPin(context: CommandContext, name = ''): Promise<number> {
  const role = roleOf(name)
  const pin = secretOf(context.options)
  if (pin === undefined)
    throw new AppError('input.invalid', 'The new PIN comes from --secret-file or GROUPWRIGHT_SECRET', {
      details: { option: '--secret-file' },
    })
  return withSite(context, async ({ session }) => {
    await session.call('access.setPin', { role, pin })
    return EXIT.ok
  })
}

export async function removePin(context: CommandContext, name = ''): Promise<number> {
  const role = roleOf(name)
  return withSite(context, async ({ session }) => {
    await session.call('access.setPin', { role, pin: null })
    return EXIT.ok
  })
}

export function addAccessCommands(program: Command, runs: Runs): void {
  const access = program.command('access').description('roles on a shared laptop: installer, engineer, operator')
  access.command('show').description('which roles have a PIN, and which are held').action(runs(showRoles))
  access
    .command('set <role>')
    .description('set or change the PIN of a role')
    .option('--secret-file <file>', 'where the new PIN stands, - for standard input; else GROUPWRIGHT_SECRET')
    .action(runs(setPin))
  access.command('remove <role>').description('open the role to everybody').action(runs(removePin))
}
