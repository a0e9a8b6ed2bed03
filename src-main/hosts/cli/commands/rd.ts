// groupwright rd …: the Resource Directory.
import { z } from 'zod'
import { AppError } from '#main/base/index.ts'
import { directoryPolicy, registrationKind, registrationSort } from '#contract/model.ts'
import type { RegistrationRow } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import type { Session } from '../session.ts'
import { readText } from './devices.ts'
import { settledRows } from './link.ts'
import { withSite } from './with-site.ts'

const PAGE = 1000

export async function listRegistrations(context: CommandContext, ...words: readonly string[]): Promise<number> {
  const kind = oneOf(registrationKind, context.options.kind ?? 'all', '--kind')
  const sort = context.options.sort === undefined ? {} : { sort: oneOf(registrationSort, context.options.sort, '--sort') }
  return withSite(context, async ({ session }) => {
    const query = { search: words.join(' '), kind, descending: context.options.descending ?? false, ...sort }
    const all: RegistrationRow[] = []
    for (;;) {
      const { rows, total } = await session.call('rd.list', { ...query, offset: all.length, limit: PAGE })
      all.push(...rows)
      if (all.length >= total || rows.length === 0) break
    }
    context.output.table(all, ['endpointName', 'sector', 'base', 'lifetimeS', 'endpointType', 'source', 'links'])
    return EXIT.ok
  })
}

export async function lookUp(context: CommandContext, kind = '', query = ''): Promise<number> {
  const wanted = oneOf(z.enum(['ep', 'res']), kind, 'kind')
  return withSite(context, async ({ session }) => {
    const found = await session.call('rd.lookup', { kind: wanted, query })
    context.output.value(found, found.links)
    return EXIT.ok
  })
}

export async function removeRegistrations(context: CommandContext, ...names: readonly string[]): Promise<number> {
  return withSite(context, async ({ session }) => {
    const ids: string[] = []
    for (const name of names) ids.push((await findRegistration(session, name)).id)
    const { removed } = await session.call('rd.remove', { ids })
    context.output.value({ removed: ids }, `${removed} removed`)
    return EXIT.ok
  })
}

export async function register(context: CommandContext, endpointName = ''): Promise<number> {
  const { base = '', sector, lifetime, attribute = [], links, linksFile } = context.options
  return withSite(context, async ({ session }) => {
    const row = await session.call('rd.register', {
      endpointName,
      base,
      attributes: attribute.map(attributeOf),
      links: linksFile === undefined ? (links ?? '') : readText(linksFile).trim(),
      ...(sector === undefined ? {} : { sector }),
      ...(lifetime === undefined ? {} : { lifetimeS: lifetime }),
    })
    context.output.value(row, `${row.endpointName} at /rd/${row.id}, for ${row.lifetimeS} s`)
    return EXIT.ok
  })
}

export async function policy(context: CommandContext, wanted?: string): Promise<number> {
  const next = wanted === undefined ? undefined : oneOf(directoryPolicy, wanted, 'policy')
  return withSite(context, async ({ session }) => {
    if (next !== undefined) await session.call('rd.setPolicy', { policy: next })
    const [row] = session.rows('directory')
    context.output.value(
      { policy: row?.policy, chosen: row?.policyChosen },
      `${row?.policy ?? ''}${row?.policyChosen === true ? '' : ' (default)'}`,
    )
    return EXIT.ok
  })
}

export async function advertise(context: CommandContext, wanted?: string): Promise<number> {
  const next = wanted === undefined ? undefined : oneOf(z.enum(['on', 'off']), wanted, 'on-or-off')
  return withSite(context, async ({ session }) => {
    if (next !== undefined) await session.call('site.setAdvertisement', { on: next === 'on' })
    const on = session.rows('directory')[0]?.advertisement.wanted === true
    context.output.value({ advertised: on }, on ? 'advertised while the site is served' : 'not advertised')
    return EXIT.ok
  })
}

/** What a border router announces for devices to find the directory (RFC 9176 §4.1.1). */
export async function addressOption(context: CommandContext, address?: string): Promise<number> {
  const { lifetime } = context.options
  return withSite(context, async (opened) => {
    // The address behind a dongle is known once it is up.
    if (address === undefined) await settledRows(opened, context)
    const [option] = await opened.session.call('rd.addressOptions', {
      ...(address === undefined ? {} : { address }),
      ...(lifetime === undefined ? {} : { lifetimeS: lifetime }),
    })
    if (option === undefined) {
      throw new AppError('input.invalid', 'The site listens on no IPv6 address that devices beyond this computer reach: name one', {
        details: { option: 'address' },
      })
    }
    const { text, ...facts } = option
    context.output.value(facts, text.trimEnd())
    return EXIT.ok
  })
}

/** By id, by name, or by name and sector. Throws `rd.not-found`, also where several have the name. */
async function findRegistration(session: Session, text: string): Promise<RegistrationRow> {
  const at = text.lastIndexOf('@')
  const found: RegistrationRow[] = []
  for (let offset = 0; ; offset += PAGE) {
    const { rows, total } = await session.call('rd.list', { offset, limit: PAGE, withLinks: false })
    found.push(...rows.filter((row) => row.id === text || row.endpointName === text || isAt(row, text.slice(0, at), text.slice(at + 1))))
    if (offset + PAGE >= total) break
  }
  const [only] = found
  if (only === undefined || found.length > 1) {
    throw new AppError(
      'rd.not-found',
      found.length > 1 ? `Several registrations are called ${text}` : `No registration is called ${text}`,
      {
        details: { registration: text, matches: found.map(({ id }) => id) },
      },
    )
  }
  return only
}

function isAt(row: RegistrationRow, name: string, sector: string): boolean {
  return name !== '' && row.endpointName === name && row.sector === sector
}

function attributeOf(text: string): { readonly name: string; readonly value: string | null } {
  const at = text.indexOf('=')
  return at < 0 ? { name: text, value: null } : { name: text.slice(0, at), value: text.slice(at + 1) }
}

function oneOf<Value extends string>(
  choice: z.ZodType<Value> & { readonly options: readonly Value[] },
  text: string,
  option: string,
): Value {
  const parsed = choice.safeParse(text)
  if (!parsed.success) throw new AppError('input.invalid', `Choose one of ${choice.options.join(', ')}`, { details: { option } })
  return parsed.data
}
