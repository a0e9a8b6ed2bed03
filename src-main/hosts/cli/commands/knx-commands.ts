// The words of groupwright knx.
import type { Command } from 'commander'
import type { CommandContext } from '../context.ts'
import { configureKnx, openKnx, resetKnx, searchKnx, sendKnx, showKnx } from './knx.ts'

type Action = (context: CommandContext, ...names: readonly string[]) => Promise<number>

export function addKnxCommands(program: Command, runs: (action: Action) => (...found: readonly unknown[]) => Promise<void>): void {
  const knx = program.command('knx').description('devices of the KNX IoT Point API')
  const device = (command: Command): Command =>
    command.option('--unsecured', 'without OSCORE, which test builds of a device’s stack allow', false)
  knx
    .command('search [serial-number]')
    .description('who answers on the site’s network')
    .option('--programming-mode', 'only those whose programming button was pressed', false)
    .action(runs(searchKnx))
  knx
    .command('open <serial-number>')
    .description('prove the password of its label, and keep keys of the site in its place')
    .option('--secret-file <file>', 'the password is its first line; - is standard input. Or GROUPWRIGHT_SECRET')
    .action(runs(openKnx))
  device(knx.command('show <serial-number>')).description('what it is and how it is configured').action(runs(showKnx))
  device(knx.command('configure <serial-number> <file>'))
    .description('write the address and group objects of a YAML file, as far as they differ')
    .action(runs(configureKnx))
  device(knx.command('send <group-address> <value>')).description('write a value to a group').action(runs(sendKnx))
  device(knx.command('reset <serial-number> <kind>')).description('factory, tables or address').action(runs(resetKnx))
}
