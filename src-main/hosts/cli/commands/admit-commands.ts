// The words of `groupwright admit`: commands and options; what they do is in admit.ts and admit-lists.ts.
import { InvalidArgumentError, type Command } from 'commander'
import { deviceType } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import {
  admissionPolicy,
  admissionStatus,
  allow,
  assign,
  closeWindow,
  deny,
  forget,
  listPledges,
  openWindow,
  showPledge,
  undeny,
} from './admit.ts'
import { addJoiningCommands } from './admit-joining.ts'
import { denials, labels, scanLabels, unlist, vouchers } from './admit-lists.ts'

type Action = (context: CommandContext, ...names: readonly string[]) => Promise<number>
type Runs = (action: Action) => (...found: readonly unknown[]) => Promise<void>

function minutes(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 1440) throw new InvalidArgumentError('a whole number from 1 to 1440 is wanted')
  return value
}

function gather(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}

export function addAdmitCommands(program: Command, runs: Runs): void {
  const admit = program.command('admit').description('who may join: the admission window, decisions, labels, vouchers')
  admit.command('status').description('the window, the policy, and how many wait').action(runs(admissionStatus))
  admit
    .command('open')
    .description('open the window; it closes itself, also while no program runs')
    .option('--minutes <n>', 'for so long; without it as the policy says', minutes)
    .action(runs(openWindow))
  admit.command('close').description('close the window now').action(runs(closeWindow))
  admit
    .command('policy [mode]')
    .description('who is let in, or set it: listed (at once while the window is open), ask (everybody waits for you), closed')
    .option('--unlisted <how>', 'devices that nobody has listed: wait or refuse')
    .option('--minutes <n>', 'how long the window is open where nobody says otherwise', minutes)
    .action(runs(admissionPolicy))
  admit
    .command('list')
    .description('devices that have asked to join')
    .option('--state <state>', 'waiting, joining, enrolled, failed or denied')
    .action(runs(listPledges))
  admit
    .command('show <device>')
    .description('its timeline: steps with times, reason, what to do (serial number, EUI-64, name or key)')
    .action(runs(showPledge))
  admit
    .command('allow [devices...]')
    .description('let them in, whatever list and window say')
    .option('--all', 'all that wait', false)
    .option('--unknown-makers', 'those too whose manufacturer the site does not know', false)
    .action(runs(allow))
  admit
    .command('deny <devices...>')
    .description('refuse them from now on, seen already or not')
    .requiredOption('--reason <text>', 'why')
    .action(runs(deny))
  admit.command('undeny <devices...>').description('take them off the deny list').action(runs(undeny))
  admit.command('denied [search...]').description('the deny list').action(runs(denials))
  admit.command('forget <devices...>').description('take them off the screen, with their history').action(runs(forget))
  admit
    .command('assign <pledge> <device>')
    .description('the pledge is this device of the list')
    .option('--replace', 'also where the device has joined as another one or bears another label', false)
    .action(runs(assign))
  admit
    .command('scan [file]')
    .description('read labels, one a line, from a file or standard input (-), and expect their devices')
    .option('--label <text>', 'this label; may be given again. What a label says in secret stays in the history of your shell', gather)
    .option(
      '--unknown <how>',
      'labels of devices that are not planned: tell, list (expect them all the same) or create (plan them)',
      'list',
    )
    .option('--type <type>', `with create: ${deviceType.options.join(', ')}`, 'unknown')
    .option('--device <device>', 'the device of the list that bears the label')
    .action(runs(scanLabels))
  admit.command('labels [search...]').description('labels that are expected').action(runs(labels))
  admit
    .command('unlist <labels...>')
    .description('expect them no longer (id, serial number or EUI-64); their secrets are forgotten')
    .action(runs(unlist))
  admit.command('vouchers [action] [what...]').description('the vouchers at hand; import FILES, rm IDS').action(runs(vouchers))
  addJoiningCommands(admit, runs)
}
