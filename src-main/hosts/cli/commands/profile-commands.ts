// The words of groupwright profile.
import type { Command } from 'commander'
import type { CommandContext } from '../context.ts'
import { lintProfiles, listProfiles, showProfileSchema, testProfiles, tryProfileOn } from './profiles.ts'

type Action = (context: CommandContext, ...names: readonly string[]) => Promise<number>

export function addProfileCommands(program: Command, runs: (action: Action) => (...found: readonly unknown[]) => Promise<void>): void {
  const profile = program.command('profile').description('device profiles: kinds of devices, and how they are talked to')
  profile.command('ls').description('those in use, with where they come from').action(runs(listProfiles))
  profile.command('lint <files...>').description('what is wrong with profiles, with line and column').action(runs(lintProfiles))
  profile
    .command('test <files...>')
    .description('run the tests beside profiles: lamp.test.yaml beside lamp.yaml')
    .action(runs(testProfiles))
  profile
    .command('try [profile]')
    .description('try a profile (a file, or the id of one in use) on a device, step by step; it only asks')
    .requiredOption('--device <device>', 'id, name, EUI-64 or serial')
    .option('--write', 'also identify, and write a trial group and take it away again', false)
    .action(runs(tryProfileOn))
  profile.command('schema').description('the format as JSON Schema, for editors').action(runs(showProfileSchema))
}
