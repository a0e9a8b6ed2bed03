// groupwright undo, redo, history: edits of the project taken back and done again.
import { InvalidArgumentError, type Command } from 'commander'
import type { HistoryReply } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import { withSite } from './with-site.ts'

type Runs = (
  action: (context: CommandContext, ...names: readonly string[]) => Promise<number>,
) => (...found: readonly unknown[]) => Promise<void>

export function addHistoryCommands(program: Command, runs: Runs): void {
  program
    .command('undo')
    .description('take the last edit of the project back; devices follow with the next apply')
    .option('--to <edit>', 'all edits back to this one, by its number in `history`', editNumber)
    .action(runs(undo))
  program
    .command('redo')
    .description('do again what was undone last')
    .option('--to <edit>', 'all up to this one', editNumber)
    .action(runs(redo))
  program
    .command('history')
    .description('edits of the project, newest first')
    .option('--limit <n>', 'entries', editNumber, 50)
    .action(runs(showHistory))
}

function editNumber(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number is wanted')
  return value
}

async function undo(context: CommandContext): Promise<number> {
  const { to } = context.options
  return withSite(context, async ({ session }) => {
    tell(context, 'undone', await session.call('history.undo', to === undefined ? {} : { id: to }))
    return EXIT.ok
  })
}

async function redo(context: CommandContext): Promise<number> {
  const { to } = context.options
  return withSite(context, async ({ session }) => {
    tell(context, 'done again', await session.call('history.redo', to === undefined ? {} : { id: to }))
    return EXIT.ok
  })
}

async function showHistory(context: CommandContext): Promise<number> {
  return withSite(context, async ({ session }) => {
    const { entries } = await session.call('history.list', { offset: 0, limit: Math.min(1000, context.options.limit ?? 50) })
    context.output.table(
      entries.map(({ at, counts, ...rest }) => ({
        ...rest,
        at: new Date(at).toISOString(),
        rows: Object.entries(counts)
          .map(([kind, count]) => `${count} ${kind}`)
          .join(', '),
      })),
      ['entry', 'at', 'state', 'op', 'name', 'rows', 'actor'],
    )
    return EXIT.ok
  })
}

function tell({ output }: CommandContext, how: string, reply: HistoryReply): void {
  const lines = [
    ...reply.entries.map(({ entry, op, name }) => `${how}: ${entry} ${op}${name === null ? '' : ` (${name})`}`),
    ...(reply.devicesToApply > 0 ? [`devices to be applied to: ${reply.devicesToApply}`] : []),
    ...(reply.kept > 0 ? [`stay, because they were heard since: ${reply.kept}`] : []),
    ...(reply.withoutKeys > 0 ? [`came back without their keys: ${reply.withoutKeys}`] : []),
  ]
  output.value(reply, lines.join('\n'))
}
