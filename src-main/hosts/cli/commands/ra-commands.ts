// The words of `groupwright ra`: commands and options; what they do is in ra.ts.
import { InvalidArgumentError, type Command } from 'commander'
import type { CommandContext } from '../context.ts'
import {
  certificateRequest,
  createAuthority,
  installCertificate,
  rollOver,
  showAuthority,
  showChain,
  showCrl,
  startOver,
} from './ra-authority.ts'
import { approve, deny, listCertificates, listPending, revoke, showCertificate } from './ra-requests.ts'
import { authorityNews } from './ra-news.ts'
import { admissionPolicy, certificateProfiles, preRegister, trustAnchors, upstreamServers, withdraw } from './ra-settings.ts'

type Action = (context: CommandContext, ...names: readonly string[]) => Promise<number>
type Runs = (action: Action) => (...found: readonly unknown[]) => Promise<void>

function days(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('a whole number of days is wanted')
  return value
}

function count(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a number from 1 on is wanted')
  return value
}

function gather(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}

const ALGORITHM = ['--algorithm <name>', 'P-256, P-384 or Ed25519', 'P-256'] as const
const OUT = ['--out <file>', 'into this file'] as const
const SECRET_FILE = ['--secret-file <file>', 'the secret is its first line; - is standard input. Or GROUPWRIGHT_SECRET'] as const

export function addRaCommands(program: Command, runs: Runs): void {
  const ra = program.command('ra').description('the registration authority: certificates for devices (CMP over CoAP)')
  ra.command('status').description('the authority, its keys, and how much there is to do').action(runs(showAuthority))
  ra.command('create')
    .description('create a root of the site’s own')
    .requiredOption('--subject <name>', 'such as "CN=Site CA, O=Blue Quay"')
    .option(...ALGORITHM)
    .option('--days <n>', 'how long it is good for', days)
    .action(runs(createAuthority))
  ra.command('csr')
    .description('a key below the customer’s authority: with --subject a new one and its request, without the request that waits')
    .option('--subject <name>', 'such as "CN=Site CA, O=Blue Quay"')
    .option(...ALGORITHM)
    .option(...OUT)
    .action(runs(certificateRequest))
  ra.command('install <file>')
    .description('the certificate for the request, with those above it (PEM, root last)')
    .action(runs(installCertificate))
  ra.command('rollover')
    .description('a new key for the root, linked to the old one and announced')
    .option(...ALGORITHM)
    .option('--days <n>', 'how long it is good for', days)
    .action(runs(rollOver))
  ra.command('start-over')
    .description('give up keys that a lost keyring has sealed, so that a new authority can be made')
    .option('--yes', 'they are given up for good', false)
    .action(runs(startOver))
  ra.command('crl')
    .description('the newest list of revoked certificates (PEM)')
    .option('--refresh', 'make a new one', false)
    .option('--der', 'in DER, as others fetch it', false)
    .option(...OUT)
    .action(runs(showCrl))
  ra.command('chain')
    .description('the authority’s certificate with those above it (PEM)')
    .option('--p7c', 'as a certs-only CMS file', false)
    .option(...OUT)
    .action(runs(showChain))
  ra.command('pending').description('requests that wait for a decision').action(runs(listPending))
  ra.command('approve [requests...]').description('grant them').option('--all', 'all that wait', false).action(runs(approve))
  ra.command('deny [requests...]')
    .description('refuse them; the devices are told the reason')
    .requiredOption('--reason <text>', 'why')
    .option('--all', 'all that wait', false)
    .action(runs(deny))
  ra.command('certificates [search...]')
    .description('all certificates, newest first')
    .option('--state <state>', 'unconfirmed, valid or revoked')
    .option('--expiring <days>', 'only those that end within so many days', days)
    .action(runs(listCertificates))
  ra.command('show <serial>').description('one certificate with its history').action(runs(showCertificate))
  ra.command('revoke <serial>')
    .description('revoke a certificate; a new CRL follows at once')
    .option('--reason <reason>', 'unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation or privilegeWithdrawn')
    .action(runs(revoke))
  ra.command('preregister [reference]')
    .description('expect a device; without a reference or a file: who is expected')
    .option('--identity <text>', 'serial number, EUI-64 or SHA-256 of its manufacturer certificate; may be given again', gather)
    .option(
      '--maker <fingerprint>',
      'SHA-256 of the manufacturer whose numbers these are, as `ra anchors` shows it; without it any maker’s',
    )
    .option('--names <name>', 'a further name that its certificate may have; may be given again', gather)
    .option('--profile <name>', 'only under this profile')
    .option('--file <file>', 'JSON: [{"reference", "secret"?, "identities"?, "maker"?, "names"?, "profile"?, "expiresAt"?}]')
    .option('--draw', 'draw a one-time secret for each without one; it is told once', false)
    .option(...SECRET_FILE)
    .action(runs(preRegister))
  ra.command('withdraw <references...>').description('expect them no longer').action(runs(withdraw))
  ra.command('policy [mode]')
    .description('who is admitted, or set it: automatic (listed devices at once), manual (everybody waits), deny')
    .option('--secrets <how>', 'whether a one-time secret is enough: approve, wait, or default (as the mode)')
    .option('--unlisted <how>', 'devices of known manufacturers that are not listed: wait or refuse')
    .option('--per-device <n>', 'certificates that a device may have at the same time', count)
    .option('--per-requester <n>', 'the same for whoever asks, listed or not', count)
    .action(runs(admissionPolicy))
  ra.command('profiles')
    .description('the certificate profiles')
    .option('--set <file>', 'JSON as `ra profiles --json` prints it')
    .action(runs(certificateProfiles))
  ra.command('anchors [action] [what]')
    .description('whom it trusts; add FILE (PEM), rm FINGERPRINT')
    .option('--kind <kind>', 'manufacturer, or authority for registration authorities that speak for devices', 'manufacturer')
    .action(runs(trustAnchors))
  ra.command('upstream [action] [name]')
    .description('servers that requests go on to; set NAME, rm NAME, enrol NAME (this authority’s own certificate there)')
    .option('--url <url>', 'http:// or https://')
    .option('--for-profile <name>', 'requests of this profile')
    .option('--for-host <host>', 'requests for this host')
    .option('--mode <mode>', 'forward, nest or replace', 'forward')
    .option('--vouch', 'with replace: this authority vouches for the proof of possession', false)
    .option('--pass-secrets', 'with forward: messages under secrets that only the server knows go on unchecked', false)
    .option('--no-chunked', 'the server cannot read chunked bodies')
    .option('--anchors <file>', 'its roots (PEM)')
    .option('--reference <text>', 'with enrol: the reference of the secret')
    .option('--subject <name>', 'with enrol: the name in the certificate')
    .option(...SECRET_FILE)
    .action(runs(upstreamServers))
  ra.command('news [action] [id]')
    .description('what authorities above have announced; take ID (believe a server by its new root too), dismiss ID')
    .action(runs(authorityNews))
}
