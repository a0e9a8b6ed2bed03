// The `fleet` commands and their options.
import { Option, type Command } from 'commander'
import type { CommandContext } from '../context.ts'
import {
  importBundle,
  inspectBundle,
  listTargets,
  push,
  removeTarget,
  setTarget,
  showReceiverKey,
  showWriter,
  testTarget,
} from './fleet.ts'

type Action = (context: CommandContext, ...names: readonly string[]) => Promise<number>

export function addFleetCommands(program: Command, runs: (action: Action) => (...found: readonly unknown[]) => Promise<void>): void {
  const fleet = program.command('fleet').description('where the site is sent to, and bundles from other laptops')
  fleet.command('ls').description('the destinations of the site').action(runs(listTargets))
  fleet
    .command('set <name> <url>')
    .description('add a destination, https://… or mqtts://…, or change the one of that name')
    .addOption(new Option('--content <what>', 'what is sent').choices(['bundle', 'json', 'td', 'ditto']).default('bundle'))
    .addOption(
      new Option('--auth <way>', 'how this program shows who it is').choices(['none', 'basic', 'bearer', 'certificate']).default('none'),
    )
    .option('--user <name>', 'user name, for basic (and for bearer over MQTT)')
    .option('--secret-file <file>', 'password, token, or private key (PEM) in a file, - for standard input; else GROUPWRIGHT_SECRET')
    .option('--certificate <file>', 'client certificate with those above it (PEM)')
    .option('--anchors <file>', 'authorities that may vouch for the destination (PEM); those of the system by default')
    .addOption(new Option('--method <method>', 'HTTPS method').choices(['PUT', 'POST']).default('PUT'))
    .option('--topic <topic>', 'MQTT topic that the site goes below; for Ditto the topic that it listens to', 'groupwright')
    .option('--mqtt-version <version>', '3 (3.1.1) or 5', Number, 5)
    .option('--no-retain', 'MQTT messages are not retained')
    .option('--namespace <namespace>', 'of things and policies in Ditto', 'groupwright.site')
    .option('--ditto-subject <subject>', 'who may read and write in Ditto', 'nginx:ditto')
    .option('--receiver <file>', 'public key (JWK, or certificate in PEM) of whom keys in a bundle are for; none without')
    .action(runs(setTarget))
  fleet.command('rm <name>').description('remove a destination').action(runs(removeTarget))
  fleet.command('test <name>').description('connect to a destination; nothing is sent').action(runs(testTarget))
  fleet
    .command('push <name>')
    .description('send the site to a destination; what has arrived is not sent again')
    .option('--no-redact', 'leave what looks like a secret in details of failures')
    .action(runs(push))
  fleet.command('key').description('the public key that another laptop encrypts a take-over for').action(runs(showReceiverKey))
  fleet
    .command('inspect <file>')
    .description('what a bundle is and who signed it; with --site, whether it ends what that copy may do')
    .action(runs(inspectBundle))
  fleet
    .command('import <file>')
    .description('make a site of a bundle')
    .option('--root <fingerprint>', 'SHA-256 of the root that signed it, compared with the other laptop')
    .option('--take-over', 'this program writes to the site from now on', false)
    .action(runs(importBundle))
  fleet
    .command('writer')
    .description('who writes to the site')
    .option('--take-over', 'make it this program, with fresh sender contexts', false)
    .action(runs(showWriter))
}
