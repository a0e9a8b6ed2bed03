// groupwright check, naming …, addressing …
import { Option, type Command } from 'commander'
import { AppError } from '#main/base/index.ts'
import { allocationPatch, allocationPolicy, findingSeverity, namingMethod } from '#contract/model.ts'
import type { FindingRow, GroupSettingsRow, NamingPreview } from '#contract/model.ts'
import words from '../../../../src-renderer/locales/en/rules.json' with { type: 'json' }
import securityWords from '../../../../src-renderer/locales/en/security.json' with { type: 'json' }
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import type { Session } from '../session.ts'
import { findGroup } from './find.ts'
import { withSite } from './with-site.ts'

type Runs = (
  action: (context: CommandContext, ...names: readonly string[]) => Promise<number>,
) => (...found: readonly unknown[]) => Promise<void>

export function addRulesCommands(program: Command, runs: Runs): void {
  const check = program.command('check').description('what the checks of all groups say; 3 where there are errors')
  check
    .command('ls', { isDefault: true })
    .description('all findings, errors first')
    .addOption(new Option('--severity <severity>', 'from this one up').choices(findingSeverity.options).default('advice'))
    .action(runs(listFindings))
  check
    .command('fix <finding> <remedy>')
    .description('do what the remedy of a finding says')
    .option('--yes', 'do it; without it, tell the effect', false)
    .action(runs(fix))
  const naming = program.command('naming').description('how the names of groups travel in requests (groupcomm-bis Appendix B)')
  naming.command('show', { isDefault: true }).description('the method of the site').action(runs(showNaming))
  naming
    .command('preview [group]')
    .description('the request to a group by each method, with its size; a name that no group has is taken as it is')
    .action(runs(previewNaming))
  naming
    .command('set [method]')
    .description(`another method: ${namingMethod.options.join(', ')}`)
    .option('--delimiter <word>', 'the path segment or query parameter before the name')
    .option('--domain <domain>', 'what follows the label of a group in host names')
    .option('--dns <on-or-off>', 'whether the network resolves host names')
    .option('--option-number <number>', '65000 to 65535', Number)
    .option('--template <text>', 'names of groups made from rooms, of {building} {floor} {room} {number} {function}')
    .action(runs(setNaming))
  const addressing = program.command('addressing').description('where the addresses of new groups come from')
  addressing
    .command('show', { isDefault: true })
    .description('the policy of the site, and addresses that are kept back')
    .action(runs(showAddressing))
  addressing
    .command('set [policy]')
    .description(`another policy: ${allocationPolicy.options.join(', ')}`)
    .option('--reach <scope>', 'auto, link-local, realm-local, admin-local, site-local, organization-local, global')
    .option('--prefix <prefix>', 'unicast prefix, such as 2001:db8:1::/48')
    .option('--list <addresses...>', 'addresses, or ranges first-last')
    .option('--installation <hex>', 'KNX installation identifier')
    .option('--range <range>', 'IPv4 range, such as 239.192.0.0/14')
    .option('--port <port>', 'port of new groups', Number)
    .action(runs(setAddressing))
  addressing
    .command('release <addresses...>')
    .description('nobody listens to these addresses any more: they may be given out again')
    .action(runs(releaseAddresses))
}

async function listFindings(context: CommandContext): Promise<number> {
  return withSite(context, async ({ session }) => {
    const least = findingSeverity.options.indexOf(findingSeverity.parse(context.options.severity ?? 'advice'))
    const all = await session.call('rules.check', {})
    const found = all.filter(({ severity }) => findingSeverity.options.indexOf(severity) <= least)
    context.output.table(
      context.output.json
        ? found
        : found.map((row) => ({
            severity: row.severity,
            about: row.subject.name,
            what: sentenceOf(row),
            finding: row.id,
            remedies: row.remedies.map(({ id }) => id).join(', '),
            sections: row.sections.join('; '),
          })),
      ['severity', 'about', 'what', 'finding', 'remedies', 'sections'],
    )
    return found.some(({ severity }) => severity === 'error') ? EXIT.incomplete : EXIT.ok
  })
}

async function fix(context: CommandContext, findingId = '', remedy = ''): Promise<number> {
  return withSite(
    context,
    async ({ session }) => {
      const found = (await session.call('rules.check', {})).find(({ id }) => id === findingId)
      const offered = found?.remedies.find(({ id }) => id === remedy)
      if (found === undefined || offered === undefined) {
        throw new AppError('rules.not-found', `No finding ${findingId} with a remedy ${remedy}`, {
          details: { findingId, remedyId: remedy },
        })
      }
      const effect = filled(words.effect[offered.id], offered.params)
      if (context.options.yes !== true) {
        context.output.value({ finding: found, effect }, `${sentenceOf(found)}\n${effect}\nNothing was done; say --yes to do it.`)
        return EXIT.ok
      }
      const { jobId } = await session.call('rules.remedy', { findingId, remedyId: offered.id })
      const job = jobId === null ? undefined : await session.job(jobId)
      context.output.value({ findingId, remedy, effect, job: job ?? null }, `${found.subject.name}: ${effect}`)
      return job === undefined || job.state === 'done' ? EXIT.ok : EXIT.incomplete
    },
    { resumeJobs: true },
  )
}

async function showNaming(context: CommandContext): Promise<number> {
  return withSite(context, ({ session }) => {
    const { naming } = settingsOf(session)
    const text = [
      `${naming.method}: ${words.settings.method[naming.method]}`,
      `delimiter ${naming.delimiter}, domain ${naming.domain || '–'} (${naming.hasDns ? 'resolved' : 'not resolved'}), option ${naming.optionNumber}`,
      `names from rooms: ${naming.template || 'the shortest that is free'}`,
    ]
    context.output.value(naming, text.join('\n'))
    return Promise.resolve(EXIT.ok)
  })
}

async function previewNaming(context: CommandContext, group?: string): Promise<number> {
  return withSite(context, async ({ session }) => {
    const known = group === undefined ? undefined : session.rows('applicationGroups').find((row) => row.id === group || row.name === group)
    const about = known === undefined ? (group === undefined ? {} : { name: group }) : { groupId: findGroup(session, known.id).id }
    const previews = await session.call('naming.preview', { ...about, methods: [...namingMethod.options] })
    context.output.table(context.output.json ? previews : previews.map(previewRow), [
      'method',
      'uri',
      'name',
      'bytes',
      'frames',
      'secured',
      'options',
    ])
    return EXIT.ok
  })
}

function previewRow(row: NamingPreview): Readonly<Record<string, unknown>> {
  return {
    method: row.method,
    uri: row.failure ?? row.uri,
    name: row.nameBytes,
    bytes: row.messageBytes,
    frames: row.frames,
    secured: row.securedFrames,
    options: row.options.join(', '),
  }
}

async function setNaming(context: CommandContext, method?: string): Promise<number> {
  const { delimiter, domain, dns, optionNumber, template } = context.options
  const chosen = namingMethod.optional().safeParse(method)
  if (!chosen.success)
    throw new AppError('input.invalid', `Methods are ${namingMethod.options.join(', ')}`, { details: { option: 'method' } })
  if (dns !== undefined && dns !== 'on' && dns !== 'off')
    throw new AppError('input.invalid', 'Say on or off', { details: { option: '--dns' } })
  return withSite(context, async ({ session }) => {
    await session.call('naming.set', {
      ...(chosen.data === undefined ? {} : { method: chosen.data }),
      ...(delimiter === undefined ? {} : { delimiter }),
      ...(domain === undefined ? {} : { domain }),
      ...(dns === undefined ? {} : { hasDns: dns === 'on' }),
      ...(optionNumber === undefined ? {} : { optionNumber }),
      ...(template === undefined ? {} : { template }),
    })
    const { naming } = settingsOf(session)
    context.output.value(naming, `${naming.method}: ${words.settings.method[naming.method]}`)
    return EXIT.ok
  })
}

async function showAddressing(context: CommandContext): Promise<number> {
  return withSite(context, ({ session }) => {
    const row = settingsOf(session)
    const { policy, prefix, list, installation, range, port } = row.allocation
    const detail = {
      prefix: prefix || 'the site’s own',
      transient: '',
      list: list.join(', '),
      knx: installation || 'the site’s own',
      ipv4: range,
    }
    const held = row.held.map(({ address, devices }) => `kept back: ${address} (${devices.join(', ')})`)
    context.output.value(row, [`${policy} ${detail[policy]}, ${row.scope}, port ${port}`, ...held].join('\n'))
    return Promise.resolve(EXIT.ok)
  })
}

async function setAddressing(context: CommandContext, policy?: string): Promise<number> {
  const { reach, prefix, list, installation, range, port } = context.options
  const chosen = allocationPatch.safeParse({
    ...(policy === undefined ? {} : { policy }),
    ...(reach === undefined ? {} : { scope: reach }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(list === undefined ? {} : { list }),
    ...(installation === undefined ? {} : { installation }),
    ...(range === undefined ? {} : { range }),
    ...(port === undefined ? {} : { port }),
  })
  if (!chosen.success) {
    const [issue] = chosen.error.issues
    throw new AppError('input.invalid', issue?.message ?? 'Not a policy', { details: { option: String(issue?.path[0] ?? '') } })
  }
  return withSite(context, async ({ session }) => {
    await session.call('allocation.set', chosen.data)
    const row = settingsOf(session)
    context.output.value(row.allocation, `${row.allocation.policy}, ${row.scope}`)
    return EXIT.ok
  })
}

async function releaseAddresses(context: CommandContext, ...addresses: readonly string[]): Promise<number> {
  return withSite(context, async ({ session }) => {
    await session.call('allocation.release', { addresses: [...addresses] })
    const { held } = settingsOf(session)
    context.output.value({ held }, `${held.length} addresses are kept back.`)
    return EXIT.ok
  })
}

function settingsOf(session: Session): GroupSettingsRow {
  const [row] = session.rows('groupSettings')
  if (row === undefined) throw new AppError('internal', 'The settings of groups are not there')
  return row
}

/** The window's words for the finding. */
function sentenceOf({ rule, params }: FindingRow): string {
  const sentences: Readonly<Record<string, string>> = { ...securityWords.rule, ...words.rule }
  return filled(sentences[rule] ?? rule, params)
}

/** Placeholders filled in, and of several forms the one for the count. */
function filled(text: string, params: FindingRow['params']): string {
  const forms = text.split(' | ')
  const count = Number(params.count ?? 1)
  const form = (forms.length === 3 ? forms[Math.min(2, count)] : forms.length === 2 ? forms[count === 1 ? 0 : 1] : text) ?? text
  return form.replace(/\{(\w+)\}/g, (_, key: string) => String(params[key] ?? ''))
}
