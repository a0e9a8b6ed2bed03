// groupwright admit joining, offline, makers, join-port, proxy, renew, fetch, maker-log: how the site takes part in joining.
import type { Command } from 'commander'
import { z } from 'zod'
import { AppError } from '#main/base/index.ts'
import { joinProxyMode, joinProxySettings, joinProxyVersion, makerKeyId, registrarSearch } from '#contract/model.ts'
import type { JoiningRow, JoinMakerRow } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import type { Session } from '../session.ts'
import { findPledge } from './admit.ts'
import { readText } from './devices.ts'
import { dayOf, definedOnly, oneOf } from './ra-shared.ts'
import { withSite } from './with-site.ts'

type Runs = (
  action: (context: CommandContext, ...names: readonly string[]) => Promise<number>,
) => (...found: readonly unknown[]) => Promise<void>

const onOff = z.enum(['on', 'off'])
/** Takes a setting back. */
const NONE = 'none'

export function addJoiningCommands(admit: Command, runs: Runs): void {
  const gather = (text: string, before: readonly string[] = []): readonly string[] => [...before, text]
  admit.command('joining').description('how the site takes part in joining: join port, join proxy, vouchers').action(runs(joiningStatus))
  admit.command('offline [on-or-off]').description('whether vouchers come from files alone: no manufacturer is asked').action(runs(offline))
  admit
    .command('makers [maker]')
    .description('the manufacturers’ voucher servers (MASA); with a name or fingerprint and options, set one')
    .option('--url <url>', 'its server, or none: then its devices’ certificates say it')
    .option('--tls <file>', 'PEM of those who vouch for that server, or none: then whom the system trusts')
    .option('--voucher-anchors <file>', 'PEM of those who alone may sign its vouchers, or none')
    .option('--show-certificate <on-or-off>', 'whether the registrar shows it its certificate')
    .option('--key-id <kind>', `key identifier in requests: ${makerKeyId.options.join(', ')}`)
    .action(runs(makers))
  admit
    .command('join-port [on-or-off]')
    .description('whether stateless join proxies are served, and told of it by DNS-SD')
    .option('--advertised <on-or-off>', 'as _brski-rjp._udp, while the site is served')
    .action(runs(joinPort))
  admit
    .command('proxy [mode]')
    .description(`this program as a join proxy: ${joinProxyMode.options.join(', ')}`)
    .option('--at <place>', 'a link of its pledges, e.g. lan:eth0; may be given again', gather)
    .option('--find <how>', `how registrars are looked for: ${registrarSearch.options.join(', ')}; may be given again`, gather)
    .option('--registrar <uri>', 'jpy://[address]:port or coaps://[address]:port, or none: then it is looked for')
    .option('--jpy-version <version>', `of the messages to the registrar: ${joinProxyVersion.options.join(', ')}`)
    .action(runs(proxy))
  admit.command('renew').description('ask for new vouchers in place of those that end soon').action(runs(renew))
  admit.command('fetch <maker> <serial-number>').description('get the voucher of a device ahead of its coming').action(runs(fetchVoucher))
  admit.command('maker-log <device>').description('to whom the manufacturer has given the device before').action(runs(makerLog))
}

export async function joiningStatus(context: CommandContext): Promise<number> {
  return withSite(context, ({ session }) => {
    const row = rowOf(session)
    const { registrar, proxy: door, vouchers } = row
    const lines = [
      `vouchers   ${vouchers.kept} kept, ${vouchers.ending} ended or about to; ${row.offline ? 'from files alone' : 'manufacturers are asked'}`,
      `join port  ${registrar.state}${registrar.uris.map((uri) => ` ${uri}`).join('')}`,
      `proxy      ${door.state}${door.failure === null ? '' : ` (${door.failure.code})`}`,
      ...door.ports.map(
        ({ place, port, registrar: to, fromPledges, refused }) =>
          `           ${place} port ${port} → ${to.uri} (${to.mode}, ${to.version}, ${to.by}): ${fromPledges} from pledges, ${refused} refused`,
      ),
      ...row.places.map(({ id, linkLocal }) => `place      ${id} ${linkLocal ?? 'without an address of the link'}`),
    ]
    context.output.value(row, lines.join('\n'))
    return Promise.resolve(EXIT.ok)
  })
}

export async function offline(context: CommandContext, wanted?: string): Promise<number> {
  const next = isOn(wanted, 'on-or-off')
  return withSite(context, async ({ session }) => {
    if (next !== undefined) await session.call('joining.setOffline', { offline: next })
    const { offline: isOffline } = rowOf(session)
    context.output.value({ offline: isOffline }, isOffline ? 'vouchers come from files alone' : 'manufacturers are asked for vouchers')
    return EXIT.ok
  })
}

export async function makers(context: CommandContext, name?: string): Promise<number> {
  const { url, tls, voucherAnchors, showCertificate, keyId } = context.options
  const patch = definedOnly({
    masaUrl: url === NONE ? null : url,
    tlsAnchors: pemOf(tls),
    voucherAnchors: pemOf(voucherAnchors),
    showsCertificate: isOn(showCertificate, '--show-certificate'),
    keyId: keyId === undefined ? undefined : oneOf(makerKeyId, keyId, '--key-id'),
  })
  return withSite(context, async ({ session }) => {
    if (name !== undefined && Object.keys(patch).length > 0)
      await session.call('joining.setMaker', { id: findMaker(session, name).id, ...patch })
    else if (Object.keys(patch).length > 0) throw new AppError('input.invalid', 'Name the manufacturer', { details: { option: 'maker' } })
    const rows = name === undefined ? rowOf(session).makers : [findMaker(session, name)]
    const shown = context.output.json
      ? rows
      : rows.map((row) => ({
          id: row.id.slice(0, 12),
          name: row.name,
          server: row.masaUrl ?? 'as its devices say',
          tls: row.tlsAnchors.length,
          signers: row.voucherAnchors.length,
          asked: row.lastAsked === null ? '–' : row.lastAsked.ok ? 'answered' : row.lastAsked.code,
        }))
    context.output.table(shown, ['id', 'name', 'server', 'tls', 'signers', 'asked'])
    return EXIT.ok
  })
}

export async function joinPort(context: CommandContext, wanted?: string): Promise<number> {
  const patch = definedOnly({ joinPort: isOn(wanted, 'on-or-off'), advertised: isOn(context.options.advertised, '--advertised') })
  return withSite(context, async ({ session }) => {
    if (Object.keys(patch).length > 0) await session.call('joining.setRegistrar', patch)
    const { registrar } = rowOf(session)
    const { wanted: advertised } = registrar.advertisement
    context.output.value(
      { joinPort: registrar.joinPort, advertised, state: registrar.state, uris: registrar.uris },
      [
        `${registrar.joinPort ? registrar.state : 'off'}${advertised ? ', advertised while the site is served' : ''}`,
        ...registrar.uris,
      ].join('\n'),
    )
    return EXIT.ok
  })
}

export async function proxy(context: CommandContext, mode?: string): Promise<number> {
  const { at, find, registrar, jpyVersion } = context.options
  const patch = definedOnly({
    mode: mode === undefined ? undefined : oneOf(joinProxyMode, mode, 'mode'),
    version: jpyVersion === undefined ? undefined : oneOf(joinProxyVersion, jpyVersion, '--jpy-version'),
    places: at === undefined ? undefined : placesOf(at),
    search: find?.map((each) => oneOf(registrarSearch, each, '--find')),
    registrar: registrar === NONE ? null : registrar,
  })
  return withSite(context, async ({ session }) => {
    if (Object.keys(patch).length > 0) await session.call('joining.setProxy', patch)
    const { settings, state } = rowOf(session).proxy
    context.output.value(
      { ...settings, state },
      `${settings.mode}, version ${settings.version}, at ${settings.places.join(', ') || 'no link'}, registrar ${settings.registrar ?? `by ${settings.search.join(', ')}`}`,
    )
    return EXIT.ok
  })
}

export async function renew(context: CommandContext): Promise<number> {
  return withSite(context, async ({ session }) => {
    const outcome = await session.call('joining.renewVouchers', {})
    const failed = outcome.failed.map(({ serialNumber, code }) => `${serialNumber}  ${code}`)
    context.output.value(outcome, [`${outcome.renewed} renewed, ${failed.length} failed`, ...failed].join('\n'))
    return failed.length === 0 ? EXIT.ok : EXIT.incomplete
  })
}

export async function fetchVoucher(context: CommandContext, maker = '', serialNumber = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    const row = await session.call('joining.fetchVoucher', { maker: findMaker(session, maker).id, serialNumber })
    context.output.value(row, `${row.serialNumber}: a voucher until ${dayOf(row.expiresAt)}`)
    return EXIT.ok
  })
}

export async function makerLog(context: CommandContext, name = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    const { log } = await session.call('joining.makerLog', { key: findPledge(session, name).key })
    if (log === null) {
      context.output.value(null, 'its manufacturer was not asked')
      return EXIT.ok
    }
    const head = log.code === null ? `${log.otherOwners} owners beside this site` : `${log.code}: ${log.detail ?? ''}`
    const lines = log.events.map(
      ({ at, isOurs, domainId, assertion, nonceless }) =>
        `${new Date(at).toISOString()}  ${isOurs ? 'this site' : domainId.slice(0, 16)}  ${assertion}${nonceless ? '  without the device' : ''}`,
    )
    context.output.value(log, [head, ...lines].join('\n'))
    return EXIT.ok
  })
}

function rowOf(session: Session): JoiningRow {
  const [row] = session.rows('joining')
  if (row === undefined) throw new AppError('site.none-open', 'No site is open')
  return row
}

/** By the beginning of its fingerprint, or a part of its name. Throws `join.maker-not-found`, `input.invalid`. */
function findMaker(session: Session, name: string): JoinMakerRow {
  const wanted = name.trim().toLowerCase()
  const found = rowOf(session).makers.filter((maker) => maker.id.startsWith(wanted) || maker.name.toLowerCase().includes(wanted))
  const [first] = found
  if (first === undefined) throw new AppError('join.maker-not-found', `No manufacturer ${name} is trusted`, { details: { maker: name } })
  if (found.length > 1) throw new AppError('input.invalid', `${name} is not one manufacturer`, { details: { maker: name } })
  return first
}

function placesOf(at: readonly string[]): string[] {
  const parsed = joinProxySettings.shape.places.safeParse(at.filter((each) => each !== NONE))
  if (!parsed.success) throw new AppError('input.invalid', 'A place is lan:<interface> or link:<dongle>', { details: { option: '--at' } })
  return parsed.data
}

function pemOf(file: string | undefined): string | null | undefined {
  if (file === undefined) return undefined
  return file === NONE ? null : readText(file)
}

function isOn(text: string | undefined, option: string): boolean | undefined {
  return text === undefined ? undefined : oneOf(onOff, text, option) === 'on'
}
