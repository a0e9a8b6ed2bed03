// groupwright site …
import { formatSocketAddress } from '#main/base/index.ts'
import { openProgram, sitePath, siteNameOf } from '../open.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import type { Session } from '../session.ts'
import { withSite } from './with-site.ts'

export async function createSite({ options, output }: CommandContext, name = ''): Promise<number> {
  const path = sitePath(name)
  const { program, session } = openProgram({ ...options, site: path })
  try {
    await createAt(session, path, options)
    output.value({ site: path }, `Created ${path}`)
    return EXIT.ok
  } finally {
    await program.close()
  }
}

interface NewSite {
  readonly demo?: number
  readonly loss?: number
  readonly seed?: number
  readonly bind?: string
  readonly coapPort?: number
  readonly coapsPort?: number
}

/** Creates and opens the site whose file shall be `path`. */
export async function createAt(session: Session, path: string, options: NewSite): Promise<void> {
  const details = { name: siteNameOf(path), organisation: '', address: '', operator: '' }
  if (options.demo === undefined) {
    const { bind: bindAddress = '::1', coapPort = 5683, coapsPort } = options
    const network = { bindAddress, coapPort, ...(coapsPort === undefined ? {} : { coapsPort }) }
    await session.call('site.create', { kind: 'network', details, network })
  } else {
    const demo = { devices: options.demo, lossPercent: options.loss ?? 1, seed: options.seed ?? 1 }
    await session.call('site.create', { kind: 'demo', details, demo })
  }
}

export async function siteInfo(context: CommandContext): Promise<number> {
  return withSite(context, async ({ session }) => {
    await session.call('preflight.run', {})
    const [row] = session.rows('session')
    await session.when('progress', (entry) => entry.step === 'site' && entry.total > 0)
    const progress = session.rows('progress')
    const checks = session.rows('checks')
    const { output } = context
    if (output.json) {
      output.value({ ...row, progress, checks, problems: session.rows('problems') }, '')
      return EXIT.ok
    }
    output.line(`${row?.site?.details.name ?? ''} (${row?.site?.kind ?? ''}, revision ${row?.site?.revision ?? 0})`)
    for (const at of row?.network.listening ?? []) output.line(`listening on ${at.scheme}://${formatSocketAddress(at)} (${at.channel})`)
    output.table(progress, ['step', 'open', 'total'])
    output.table(checks, ['check', 'verdict', 'finding'])
    return EXIT.ok
  })
}

export async function listSites({ options, output }: CommandContext): Promise<number> {
  const { program, session } = openProgram(options)
  try {
    output.table(await session.call('site.recent', {}), ['name', 'kind', 'fileName', 'exists'])
    return EXIT.ok
  } finally {
    await program.close()
  }
}

export async function listInterfaces({ options, output }: CommandContext): Promise<number> {
  const { program, session } = openProgram(options)
  try {
    output.table(await session.call('site.interfaces', {}), ['name', 'address', 'family', 'internal'])
    return EXIT.ok
  } finally {
    await program.close()
  }
}

/** Shows where the site listens, or moves it there: at once, and with the site from now on. */
export async function listenAt(context: CommandContext, address?: string, port?: string): Promise<number> {
  return withSite(context, async ({ session }) => {
    const before = session.rows('session')[0]?.site?.network
    if (address !== undefined) {
      const coapPort = port === undefined ? (before?.coapPort ?? 5683) : Number(port)
      await session.call('site.setNetwork', { bindAddress: address, coapPort })
    }
    const [row] = session.rows('session')
    const value = { network: row?.site?.network ?? null, listening: row?.network.listening ?? [] }
    const text = value.listening.map((at) => `listening on ${at.scheme}://${formatSocketAddress(at)} (${at.channel})`)
    context.output.value(value, text.join('\n') || 'listening nowhere')
    return EXIT.ok
  })
}
