// The words of groupwright survey and groupwright drift.
import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import type { CommandContext } from '../context.ts'
import { adoptDrift, adoptSurvey, diffSurvey, listDrift, readSurvey, removeDrift, repairDrift, takeSurvey, watchDrift } from './survey.ts'

type Action = (context: CommandContext, ...names: readonly string[]) => Promise<number>
type Runs = (action: Action) => (...found: readonly unknown[]) => Promise<void>

const WAIT_S = 20

export function addSurveyCommands(program: Command, runs: Runs): void {
  const survey = program.command('survey').description('groups that are in the network already, and other exports of the site')
  reading(survey.command('read').description('look for groups: at servers, in directories, in device tables; nothing is changed')).action(
    runs(readSurvey),
  )
  reading(
    survey.command('adopt [groups...]').description('look, then take groups into the project: those named, or all without a conflict'),
  )
    .option(
      '--keep <address>',
      'where the project has a group of the name elsewhere: found (it moves) or project (its members move)',
      'found',
    )
    .action(runs(adoptSurvey))
  survey.command('diff <export>').description('what a site export has more, less or different').action(runs(diffSurvey))
  survey
    .command('take <export> [differences...]')
    .description('take differences over into the project, by their ids in `survey diff`')
    .option('--all', 'all of them', false)
    .action(runs(takeSurvey))
  survey
    .command('watch [on-or-off]')
    .description('whether drift is looked for while the site is served, or switch it')
    .option('--reads <n>', 'devices that are read in a minute at most', whole)
    .option('--observations <n>', 'group tables that are observed at once at most', whole)
    .action(runs(watchDrift))
  const drift = program.command('drift').description('devices that hold something else than was applied')
  waiting(drift.command('ls', { isDefault: true }))
    .description('what has drifted, with when each device was read and by which means')
    .option('--refresh', 'read all devices first', false)
    .option('--all', 'also devices that are as applied', false)
    .action(runs(listDrift))
  waiting(drift.command('repair [devices...]'))
    .description('apply again what has drifted: on these devices or all')
    .option('--group <group>', 'of this group alone')
    .action(runs(repairDrift))
  drift.command('adopt <device> <names...>').description('take foreign entries into the project').action(runs(adoptDrift))
  waiting(drift.command('remove <device> <names...>')).description('remove foreign entries from the device').action(runs(removeDrift))
}

function reading(command: Command): Command {
  return waiting(command)
    .option('--no-servers', 'do not ask servers')
    .option('--no-own-directory', 'do not look into the site’s own directory')
    .option('--no-tables', 'do not read device tables')
    .option('--directory <addresses...>', 'look into these directories too, e.g. [2001:db8::1]:5683')
    .option('--types <types...>', 'group types to ask for besides g.*')
}

function waiting(command: Command): Command {
  return command.option('--wait <seconds>', 'how long a dongle may take to come up', whole, WAIT_S)
}

function whole(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('a whole number is wanted')
  return value
}
