// `groupwright`: the whole tool from the command line.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { demo } from './commands/demo.ts'
import { applyPlan, showPlan, testGroup, verifyGroups } from './commands/effects.ts'
import { discover, importDevices, listDevices, removeDevices, showDevice } from './commands/devices.ts'
import { addMembers, createGroup, groupsFromRooms, listGroups, removeGroup } from './commands/groups.ts'
import {
  addLink,
  attachLink,
  captureLink,
  formLink,
  joinLink,
  leaveLink,
  linkStatus,
  listPorts,
  probe,
  removeLink,
  scanLink,
  showDataset,
} from './commands/link.ts'
import { addFleetCommands } from './commands/fleet-commands.ts'
import { addKnxCommands } from './commands/knx-commands.ts'
import { addProfileCommands } from './commands/profile-commands.ts'
import { addAccessCommands } from './commands/access.ts'
import { addAdmitCommands } from './commands/admit-commands.ts'
import { addTemplateCommands } from './commands/templates.ts'
import { addWalkCommands } from './commands/walk.ts'
import { addRaCommands } from './commands/ra-commands.ts'
import { addressOption, advertise, listRegistrations, lookUp, policy, register, removeRegistrations } from './commands/rd.ts'
import { checkAudit, exportSite, showAudit } from './commands/records.ts'
import { addHistoryCommands } from './commands/history.ts'
import { addJobCommands } from './commands/jobs.ts'
import { addMaintenanceCommands } from './commands/maintenance.ts'
import { addRulesCommands } from './commands/rules.ts'
import { securityCommands } from './commands/security.ts'
import { serve } from './commands/serve.ts'
import { addSurveyCommands } from './commands/survey-commands.ts'
import { createSite, listenAt, listInterfaces, listSites, siteInfo } from './commands/site.ts'
import type { CommandContext, CommonOptions } from './context.ts'
import { createOutput, EXIT } from './output.ts'
import { programVersion } from './open.ts'

type Action = (context: CommandContext, ...names: readonly string[]) => Promise<number>

const program = new Command('groupwright')
  .description('Commissions building networks of CoAP devices: find, group, apply, prove, hand over.')
  .version(programVersion())
  .option('--site <file>', 'the site file to work on')
  .option('--json', 'print JSON on stdout', false)
  .option('--bind <address>', 'bind the CoAP endpoint to this local address instead of the site’s')
  .option('--coap-port <port>', 'bind the CoAP endpoint to this UDP port instead of the site’s', wholeNumber)
  .option('--coaps-port <port>', 'bind CoAP over DTLS to this UDP port instead of the one after it', wholeNumber)
  .option('--role <role>', 'take up a role of the site: installer, engineer or operator')
  .option('--pin-file <file>', 'where its PIN stands, - for standard input; else GROUPWRIGHT_PIN')
  .option('--person <name>', 'who takes it up, for the audit')
  .option('--verbose', 'log what happens to stderr', false)
  .showHelpAfterError()
  .exitOverride()
  .configureOutput({ writeErr: (text) => process.stderr.write(text) })
  .addHelpText(
    'after',
    `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 finished with failed items, 4 the site is open elsewhere.

Examples:
  groupwright site create office --demo 60
  groupwright --site office devices import plan.csv
  groupwright --site office discover --seconds 10
  groupwright --site office groups from-rooms --types luminaire,blind
  groupwright --site office plan
  groupwright --site office apply
  groupwright --site office jobs retry
  groupwright --site office test 2.14-light on
  groupwright --site office export --format json,yaml,csv,report-html --out handover
  groupwright serve --site office --coap-port 5683
  groupwright demo --devices 60`,
  )

function wholeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('a whole number is wanted')
  return value
}

function percent(text: string): number {
  const value = Number(text)
  if (!(value >= 0 && value <= 90)) throw new InvalidArgumentError('a number from 0 to 90 is wanted')
  return value
}

/** How a demo site's radio and dongle are made. */
function withDongle(command: Command): Command {
  return command
    .addOption(
      new Option('--radio <kind>', 'the simulated radio: quick, or one shared 250 kbit/s channel (the default up to 250 devices)').choices([
        'ideal',
        'real',
      ]),
    )
    .addOption(new Option('--dongle <kind>', 'the simulated dongle; slip carries no multicast').choices(['spinel', 'slip']))
    .addOption(
      new Option(
        '--joining <way>',
        'how devices get their first certificate: behind join proxies (the default of demo and serve), or by CMP from their own addresses',
      ).choices(['proxy', 'direct']),
    )
    .option('--pty', 'puts the simulated dongle behind a pseudo terminal (needs socat)', false)
}

function withWait(command: Command): Command {
  return command.option('--wait <seconds>', 'how long a dongle may take to come up', wholeNumber, 20)
}

function words(text: string): readonly string[] {
  return text.split(',').map((word) => word.trim())
}

/** Runs a command with what commander found, and turns its outcome into the exit code. */
function runs(action: Action): (...found: readonly unknown[]) => Promise<void> {
  return async (...found) => {
    const command = found.at(-1)
    const names = found.slice(0, -2).flat()
    const options = (command instanceof Command ? command : program).optsWithGlobals<CommonOptions>()
    const output = createOutput(options.json)
    try {
      process.exitCode = await action({ options, output }, ...names.filter((name): name is string => typeof name === 'string'))
    } catch (thrown) {
      process.exitCode = output.failure(thrown)
    }
  }
}

const site = program.command('site').description('create sites and look at them')
site
  .command('create <name>')
  .description('create a site file of that name or path')
  .option('--demo <devices>', 'a demo site with so many simulated devices', wholeNumber)
  .option('--loss <percent>', 'loss of the simulated radio', percent, 1)
  .option('--seed <number>', 'the demo site that grows from this seed', wholeNumber, 1)
  .action(runs(createSite))
site.command('info').description('what the site is and what is open').action(runs(siteInfo))
site.command('interfaces').description('the addresses of this computer').action(runs(listInterfaces))
site
  .command('listen [address] [port]')
  .description('where the site listens, or move it there: an address of this computer, and a UDP port')
  .action(runs(listenAt))
site.command('list').description('sites opened before or lying in the sites folder').action(runs(listSites))

const devices = program.command('devices').description('the inventory')
devices.command('ls').description('all devices').option('--state <state>', 'only those in this state').action(runs(listDevices))
devices.command('show <device>').description('one device: resources and history (id, name, EUI-64 or serial)').action(runs(showDevice))
devices
  .command('import <file>')
  .description('import a device list (CSV); rows that are wrong are told and left out')
  .option('--dry-run', 'only show what would happen', false)
  .action(runs(importDevices))
devices.command('rm <devices...>').description('remove devices from the project').action(runs(removeDevices))

program
  .command('discover')
  .description('ask the network who is there')
  .option('--seconds <n>', 'how long to listen', wholeNumber, 10)
  .action(runs(discover))

const groups = program.command('groups').description('application groups and their CoAP groups')
groups.command('ls').description('all groups').action(runs(listGroups))
groups
  .command('from-rooms')
  .description('a group for each room and device type')
  .option('--types <types>', 'device types, separated by commas', words, ['luminaire', 'blind', 'thermostat'])
  .action(runs(groupsFromRooms))
groups
  .command('create <name>')
  .description('an application group with a CoAP group of its own')
  .option('--address <address>', 'multicast address instead of an allocated one')
  .option('--port <port>', 'UDP port', wholeNumber, 5683)
  .action(runs(createGroup))
groups.command('add <group> <devices...>').description('put devices into a group').action(runs(addMembers))
groups.command('rm <group>').description('remove a group; its members are told with the next apply').action(runs(removeGroup))

addMaintenanceCommands(groups, runs)
securityCommands(program, runs)

program
  .command('plan')
  .description('what differs between the project and the devices')
  .option('--requests', 'with the requests', false)
  .action(runs(showPlan))
program.command('apply').description('bring the devices to what the project wants').action(runs(applyPlan))
addJobCommands(program, runs)
program.command('verify [groups...]').description('read the members’ group tables back').action(runs(verifyGroups))
program
  .command('test <group> <action>')
  .description('send an action to a group and account for every member')
  .option('--repeats <n>', 'how often', wholeNumber, 1)
  .action(runs(testGroup))
program
  .command('export')
  .description('hand the site over')
  .option('--format <formats>', 'json, yaml, csv, report-html, report-pdf, json-schema, bundle, td, ditto, rd-links', words, [
    'json',
    'yaml',
    'csv',
    'report-html',
  ])
  .option('--out <folder>', 'where the files go; beside the site file by default')
  .option('--receiver <file>', 'public key (JWK, or certificate in PEM) of whom keys in a bundle are for; none without')
  .option('--no-redact', 'leave what looks like a secret in details of failures')
  .action(runs(exportSite))

const rd = program.command('rd').description('the Resource Directory')
rd.command('ls [search...]')
  .description('registered endpoints; words that all must match, such as lamp, rt=temperature*, d=floor-2')
  .option('--kind <kind>', 'endpoints, groups or all', 'all')
  .option('--sort <column>', 'endpointName, sector, base, endpointType, linkCount, lifetimeS, expiresAt, registeredAt, renewedAt or source')
  .option('--descending', 'the other way round', false)
  .action(runs(listRegistrations))
rd.command('lookup <kind> [query]')
  .description('a lookup as a client asks it: ep or res, and a query such as "rt=temperature&count=10"')
  .action(runs(lookUp))
rd.command('rm <endpoints...>')
  .description('remove registrations (id, name, or name@sector); a device that renews comes back')
  .action(runs(removeRegistrations))
rd.command('register <endpoint>')
  .description('register in the name of an endpoint that cannot do so itself')
  .requiredOption('--base <uri>', 'where it is reached, e.g. coap://[2001:db8::1]')
  .option('--sector <sector>', 'the sector (d)')
  .option('--lifetime <seconds>', 'the lifetime (lt)', wholeNumber)
  .option('--attribute <name=value...>', 'further endpoint attributes')
  .option('--links <link-format>', 'its links, e.g. "</temp>;rt=temperature"')
  .option('--links-file <file>', 'its links from a file')
  .action(runs(register))
rd.command('policy [policy]')
  .description(
    'who may register, or set it: open (anybody), first-come (only who made a registration changes it), enrolled-only (known devices)',
  )
  .action(runs(policy))
rd.command('advertise [on-or-off]')
  .description('whether the directory is advertised by DNS-SD while the site is served, or switch it')
  .action(runs(advertise))
withWait(rd.command('rdao [address]'))
  .description(
    'what a border router announces for devices to find the directory (RFC 9176 §4.1.1); without an address the one behind the dongle, or the one listened on',
  )
  .option('--lifetime <seconds>', 'for how long devices may rely on it; 0 withdraws it', wholeNumber)
  .action(runs(addressOption))
const link = program.command('link').description('dongles: 802.15.4 border routers at serial ports')
link.command('ports').description('the serial ports of this computer, with a verdict each').action(runs(listPorts))
link
  .command('probe <port>')
  .description('what answers on a port, such as /dev/ttyACM0, COM7 or tcp://192.0.2.7:6638')
  .option('--baud <rate>', 'at this speed alone', wholeNumber)
  .action(runs(probe))
link.command('add <port>').description('give the site a dongle, which comes up by itself from now on').action(runs(addLink))
link.command('rm <dongle>').description('the site forgets the dongle (id, name or port)').action(runs(removeLink))
withWait(link.command('status [dongle]'))
  .description('the site’s dongles: state, firmware, network, addresses, counters')
  .action(runs(linkStatus))
withWait(link.command('form [dongle]'))
  .description('make a network; what is not given is drawn at random. A port that the site does not know is added')
  .option('--name <name>', 'network name, at most 16 bytes')
  .option('--channel <number>', '11 to 26', wholeNumber)
  .option('--pan-id <hex>', 'PAN id, such as face')
  .option('--mesh-prefix <prefix>', 'mesh-local prefix, a /64 from fd00::/8')
  .action(runs(formLink))
withWait(link.command('attach [dongle]'))
  .description('join a network by its dataset (MeshCoP TLVs in hex)')
  .option('--dataset <hex>', 'the dataset; it stays in the history of your shell')
  .option('--dataset-file <file>', 'a file with the dataset')
  .action(runs(attachLink))
withWait(link.command('join [dongle]'))
  .description('join by a passphrase that the network’s commissioner has let in')
  .requiredOption('--passphrase <text>', '6 to 32 digits and upper-case letters')
  .action(runs(joinLink))
withWait(link.command('leave [dongle]')).description('leave the network and forget it').action(runs(leaveLink))
withWait(link.command('scan [dongle]'))
  .description('networks in reach')
  .addOption(
    new Option('--kind <kind>', 'by discovery, by beacons, or the noise on each channel')
      .choices(['networks', 'beacons', 'noise'])
      .default('networks'),
  )
  .action(runs(scanLink))
withWait(link.command('dataset [dongle]'))
  .description('the dataset of the network as TLVs in hex: whoever has it is in the network')
  .requiredOption('--show-keys', 'print it, keys included')
  .action(runs(showDataset))
withWait(link.command('capture [dongle]'))
  .description('record what passes into a pcapng file that Wireshark opens')
  .option('--seconds <n>', 'for so long', wholeNumber, 10)
  .requiredOption('--out <file>', 'the file')
  .action(runs(captureLink))

addHistoryCommands(program, runs)
addRulesCommands(program, runs)
addRaCommands(program, runs)
addAdmitCommands(program, runs)
addKnxCommands(program, runs)
addFleetCommands(program, runs)
addProfileCommands(program, runs)
addSurveyCommands(program, runs)

program
  .command('audit')
  .description('who did what, newest first')
  .option('--limit <n>', 'entries', wholeNumber, 50)
  .option('--search <text>', 'only entries that hold this')
  .action(runs(showAudit))
program.command('audit-check').description('whether no entry of the audit was changed or removed').action(runs(checkAudit))
addAccessCommands(program, runs)
addTemplateCommands(program, runs)
addWalkCommands(program, runs)

withDongle(program.command('serve'))
  .description('run a site without a window until interrupted; prints one JSON line when it is ready')
  .option('--demo <devices>', 'create the site as a demo site where there is no such file', wholeNumber)
  .option('--proxy-for <addresses>', 'forward requests of these clients to the site’s devices and groups (groupcomm-proxy)', words)
  .option('--loss <percent>', 'loss of the simulated radio', percent, 1)
  .option('--seed <number>', 'the demo site that grows from this seed', wholeNumber, 1)
  .action(runs(serve))
withDongle(program.command('demo'))
  .description('the whole job on a fresh demo site, with the hand-over files in a folder')
  .option('--devices <n>', 'simulated devices', wholeNumber, 60)
  .option('--loss <percent>', 'loss of the simulated radio', percent, 1)
  .option('--seed <number>', 'the demo site that grows from this seed', wholeNumber, 1)
  .option('--out <folder>', 'where the site and the files go', 'demo-output')
  .action(runs(demo))

try {
  await program.parseAsync()
} catch (thrown) {
  if (!(thrown instanceof CommanderError)) throw thrown
  process.exitCode = thrown.exitCode === 0 ? EXIT.ok : EXIT.usage
}
