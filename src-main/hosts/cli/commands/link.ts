// groupwright link …: dongles at serial ports, the networks they are in, and what passes.
import { copyFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { AppError, delay, systemClock, toHex } from '#main/base/index.ts'
import type { FailureCode } from '#contract/failures.ts'
import type { LinkRow, NetworkDescriptionInput, PortVerdictRow } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import { openProgram } from '../open.ts'
import type { Opened } from '../open.ts'
import { EXIT } from '../output.ts'
import { readText } from './devices.ts'
import { withSite } from './with-site.ts'

/** States in which nothing more comes without a person or a plug. */
const SETTLED: ReadonlySet<LinkRow['state']> = new Set(['up', 'refused', 'closed'])
const LOOK_MS = 100

export async function listPorts(context: CommandContext): Promise<number> {
  return withoutSite(context, async ({ session }) => {
    const { ports, reason } = await session.call('link.ports', {})
    if (ports.length === 0) context.output.line(reason === null ? 'no serial ports' : `no serial ports (${reason})`)
    if (ports.length > 0 || context.output.json) {
      const rows = ports.map((port) => (context.output.json ? port : { ...port, verdict: verdictText(port.verdict), usb: port.usb?.id }))
      context.output.table(rows, ['path', 'name', 'verdict', 'usb', 'key'])
    }
    return EXIT.ok
  })
}

export async function probe(context: CommandContext, path = ''): Promise<number> {
  const { baud } = context.options
  return withoutSite(context, async ({ session }) => {
    const report = await session.call('link.probe', { path, ...(baud === undefined ? {} : { baudRate: baud }) })
    context.output.value(report, `${report.path}: ${report.firmware}${report.baudRate === null ? '' : ` at ${report.baudRate} baud`}`)
    if (report.refusal === null) return EXIT.ok
    if (!context.output.json) context.output.failure(failureOf(report.refusal))
    return EXIT.failed
  })
}

export async function addLink(context: CommandContext, path = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    const known = (await session.call('link.ports', {})).ports.find((port) => port.path === path)
    // A port with a serial number is found again wherever it is plugged in.
    const key = known !== undefined && known.key !== known.path ? { key: known.key, name: known.name } : {}
    const { id } = await session.call('link.add', { path, ...key })
    context.output.value({ id }, `${id} at ${path}`)
    return EXIT.ok
  })
}

export async function removeLink(context: CommandContext, dongle = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    const { id } = await find({ session }, dongle)
    await session.call('link.remove', { id })
    context.output.value({ removed: id }, `${id} removed`)
    return EXIT.ok
  })
}

export async function linkStatus(context: CommandContext, dongle?: string): Promise<number> {
  return withSite(context, async (opened) => {
    const rows = await settledRows(opened, context)
    const wanted = dongle === undefined ? rows : [await find(opened, dongle)]
    for (const { id, state } of wanted) if (state === 'up') await opened.session.call('link.refresh', { id })
    const fresh = opened.session.rows('links').filter((row) => wanted.some(({ id }) => id === row.id))
    if (context.output.json) context.output.value(fresh, '')
    else
      context.output.table(fresh.map(statusLine), [
        'id',
        'port',
        'state',
        'firmware',
        'network',
        'channel',
        'role',
        'neighbours',
        'address',
        'problem',
      ])
    return fresh.every((row) => row.state === 'up' || row.state === 'closed') ? EXIT.ok : EXIT.failed
  })
}

export async function formLink(context: CommandContext, dongle?: string): Promise<number> {
  const { name, channel, panId, meshPrefix } = context.options
  const network: NetworkDescriptionInput = {
    ...(name === undefined ? {} : { networkName: name }),
    ...(channel === undefined ? {} : { channel }),
    ...(panId === undefined ? {} : { panId: hexNumber(panId, '--pan-id') }),
    ...(meshPrefix === undefined ? {} : { meshLocalPrefix: meshPrefix }),
  }
  return withDongle(context, dongle, async ({ session }, { id }) => {
    await session.call('link.form', { id, network })
    return id
  })
}

export async function attachLink(context: CommandContext, dongle?: string): Promise<number> {
  const { dataset, datasetFile } = context.options
  const text = datasetFile === undefined ? dataset : readText(datasetFile).trim()
  if (text === undefined)
    throw new AppError('input.invalid', 'Give --dataset-file FILE or --dataset HEX', { details: { option: '--dataset-file' } })
  return withDongle(context, dongle, async ({ session }, { id }) => {
    await session.call('link.attach', { id, dataset: text })
    return id
  })
}

export async function joinLink(context: CommandContext, dongle?: string): Promise<number> {
  const { passphrase = '' } = context.options
  return withDongle(context, dongle, async ({ session }, { id }) => {
    await session.call('link.join', { id, passphrase })
    return id
  })
}

export async function leaveLink(context: CommandContext, dongle?: string): Promise<number> {
  return withDongle(context, dongle, async ({ session }, { id }) => {
    await session.call('link.leave', { id })
    return id
  })
}

export async function scanLink(context: CommandContext, dongle?: string): Promise<number> {
  const kind = context.options.kind === 'beacons' || context.options.kind === 'noise' ? context.options.kind : 'networks'
  return withSite(context, async (opened) => {
    const { id } = await ready(opened, context, dongle)
    const found = await opened.session.call('link.scan', { id, kind })
    if (kind === 'noise') context.output.table(found.noise, ['channel', 'maxRssiDbm'])
    else context.output.table(found.networks, ['networkName', 'channel', 'panId', 'extendedPanId', 'rssiDbm', 'joinable'])
    return EXIT.ok
  })
}

export async function showDataset(context: CommandContext, dongle?: string): Promise<number> {
  return withSite(context, async (opened) => {
    const { id } = await ready(opened, context, dongle)
    const dataset = toHex(await opened.program.networkDataset(id, 'command line'))
    context.output.value({ dataset }, dataset)
    return EXIT.ok
  })
}

export async function captureLink(context: CommandContext, dongle?: string): Promise<number> {
  const { seconds = 10, out = '' } = context.options
  // The site's folder for exports is not where this file goes.
  const inner: CommandContext = { ...context, options: { ...context.options, out: resolve(out, '..') } }
  return withSite(inner, async ({ program, session }) => {
    await settledRows({ session }, context)
    if (dongle !== undefined) await find({ session }, dongle)
    // The site's sockets keep the process alive meanwhile.
    await delay(systemClock, seconds * 1000)
    const { handle, entries } = await session.call('trace.export', {})
    const path = program.exportPath(handle)
    if (path === undefined) throw new AppError('export.not-found', 'The capture file is not there')
    if (path !== resolve(out)) copyFileSync(path, resolve(out))
    context.output.value({ file: resolve(out), entries }, `${entries} entries in ${out}`)
    return EXIT.ok
  })
}

async function withoutSite(context: CommandContext, work: (opened: Opened) => Promise<number>): Promise<number> {
  const opened = openProgram(context.options)
  try {
    return await work(opened)
  } finally {
    await opened.program.close()
  }
}

/** Does something with the dongle and shows what became of it. */
async function withDongle(
  context: CommandContext,
  dongle: string | undefined,
  work: (opened: Opened, row: LinkRow) => Promise<string>,
): Promise<number> {
  return withSite(context, async (opened) => {
    const id = await work(opened, await ready(opened, context, dongle))
    const row = await find(opened, id)
    context.output.value(
      row,
      Object.entries(statusLine(row))
        .map(([name, value]) => `${name}: ${value ?? '–'}`)
        .join('\n'),
    )
    return EXIT.ok
  })
}

/** The dongle with an NCP that answers; a port that the site does not know yet is added. Throws why it is not of use. */
async function ready(opened: Opened, context: CommandContext, dongle: string | undefined): Promise<LinkRow> {
  const { session } = opened
  const isPort = dongle !== undefined && /^(\/|COM\d|tcp:)/i.test(dongle)
  const isKnown = session.rows('links').some((row) => row.id === dongle || row.path === dongle || row.name === dongle)
  if (isPort && !isKnown) await session.call('link.add', { path: dongle })
  const { id } = await find(opened, dongle)
  const row = await settled(opened, id, waitMs(context))
  if (row.state === 'up' || row.state === 'attaching') return row
  if (row.failure !== null) throw failureOf(row.failure)
  throw new AppError('link.no-answer', `${row.path} did not come up: ${row.state}`, { retryable: true, details: { state: row.state } })
}

async function find({ session }: Pick<Opened, 'session'>, dongle: string | undefined): Promise<LinkRow> {
  const rows = session.rows('links')
  const found = dongle === undefined ? rows : rows.filter((row) => [row.id, row.name, row.path].includes(dongle))
  const [only] = found
  if (only === undefined || found.length > 1) {
    const which = dongle ?? 'one'
    throw new AppError('link.port-missing', only === undefined ? `The site has no dongle ${which}` : 'Say which dongle', {
      details: { known: rows.map(({ id, path }) => `${id} ${path}`) },
    })
  }
  return Promise.resolve(only)
}

export async function settledRows({ session }: Pick<Opened, 'session'>, context: CommandContext): Promise<readonly LinkRow[]> {
  return Promise.all(session.rows('links').map(({ id }) => settled({ session }, id, waitMs(context))))
}

/** The row once it is settled, or as it is after so long. An NCP without a network stays `attaching`: it has answered. */
async function settled({ session }: Pick<Opened, 'session'>, id: string, longestMs: number): Promise<LinkRow> {
  const until = systemClock.monotonicMs() + longestMs
  for (;;) {
    const row = session.rows('links').find((each) => each.id === id)
    if (row === undefined) throw new AppError('link.port-missing', 'The dongle is gone')
    const isIdle = row.state === 'attaching' && row.network?.saved === false
    if (SETTLED.has(row.state) || isIdle || systemClock.monotonicMs() >= until) return row
    await delay(systemClock, LOOK_MS)
  }
}

function waitMs({ options }: CommandContext): number {
  return (options.wait ?? 20) * 1000
}

function statusLine(row: LinkRow): Record<string, string | number | null> {
  const { id, path, state, firmware, network, addresses, neighbours, failure } = row
  return {
    id,
    port: path,
    state,
    firmware,
    network: network?.networkName ?? null,
    channel: network?.channel ?? null,
    role: network?.role ?? null,
    neighbours: neighbours.length,
    address: addresses.find(({ origin }) => origin !== 'link-local')?.address ?? null,
    problem: failure === null ? null : failure.message,
  }
}

function verdictText(verdict: PortVerdictRow): string {
  switch (verdict.kind) {
    case 'usable':
      return `usable: ${verdict.firmware}`
    case 'busy':
      return verdict.by === null ? 'busy' : `busy: ${verdict.by.program} (${verdict.by.pid})`
    case 'no-permission':
      return `no permission: ${verdict.remedy.installRule.join(' && ')}`
    case 'wrong-firmware':
      return `wrong firmware: ${verdict.found}`
    case 'unknown':
      return 'not asked yet'
  }
}

function failureOf({ code, message, details }: NonNullable<LinkRow['failure']>): AppError {
  return new AppError(code as FailureCode, message, { details: details as AppError['details'] })
}

function hexNumber(text: string, option: string): number {
  const value = /^(0x)?[0-9a-f]{1,4}$/i.test(text) ? Number.parseInt(text.replace(/^0x/i, ''), 16) : Number.NaN
  if (Number.isNaN(value)) throw new AppError('input.invalid', `${option} is up to four hexadecimal digits`, { details: { option } })
  return value
}
