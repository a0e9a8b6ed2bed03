// The words of groupwright knx.
import type { Command } from 'commander'
import type { CommandContext } from '../context.ts'
import { addressKnx, bindKnx, groupKnx, settingsKnx } from './knx-project.ts'
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
    .option(
      '--secret-file <file>',
      'the password is its first line; - is standard input. Or GROUPWRIGHT_SECRET, or a label that was scanned',
    )
    .action(runs(openKnx))
  device(knx.command('show <serial-number>')).description('what it is and how it is configured').action(runs(showKnx))
  device(knx.command('configure <serial-number> <file>'))
    .description('write the address and group objects of a YAML file, as far as they differ')
    .action(runs(configureKnx))
  device(knx.command('send <group-address> <value>')).description('write a value to a group').action(runs(sendKnx))
  device(knx.command('reset <serial-number> <kind>')).description('factory, tables or address').action(runs(resetKnx))
  addProjectCommands(knx, runs)
}

/** What the group engine applies later: nothing is sent by these. */
function addProjectCommands(knx: Command, runs: (action: Action) => (...found: readonly unknown[]) => Promise<void>): void {
  knx
    .command('settings [settings...]')
    .description('what all KNX devices of the site share, or set it: installation=d773e094b6, fabric=4660, unsecured=true')
    .action(runs(settingsKnx))
  knx
    .command('address <serial-number> <address>')
    .description('the individual address that it gets, such as 1.1.7')
    .action(runs(addressKnx))
  knx
    .command('group <group> [group-address]')
    .description('give a group a KNX group address, without one the next that is free; its members move there with the next apply')
    .action(runs(groupKnx))
  knx
    .command('bind <serial-number> <group-address> [datapoints...]')
    .description('which datapoints take part in a group, such as /p/o_1_1=read,transmit; none: the first free function')
    .action(runs(bindKnx))
}
