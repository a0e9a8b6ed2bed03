// groupwright fleet …: destinations and pushes, bundles that come in, and who writes to a site.
import { readFileSync } from 'node:fs'
import { AppError } from '#main/base/index.ts'
import { newPushTarget, type BundleFacts, type PushTargetRow } from '#contract/model.ts'
import { openProgram, openSite } from '../open.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import { secretOf } from '../secrets.ts'
import type { Session } from '../session.ts'
import { followJob } from './effects.ts'
import { withSite } from './with-site.ts'

const LARGEST = 64 * 1024 * 1024

export async function listTargets(context: CommandContext): Promise<number> {
  return withSite(context, ({ session }) => {
    const rows = session.rows('pushTargets').map(({ id, settings, hasSecret, last }) => {
      const { name, kind, content, url, auth } = settings
      return { id, name, kind, content, url, auth, hasSecret, last: last?.state ?? null, revision: last?.revision ?? null }
    })
    context.output.table(rows, ['name', 'kind', 'content', 'url', 'auth', 'hasSecret', 'last', 'revision'])
    return Promise.resolve(EXIT.ok)
  })
}

/** Adds a destination, or changes the one of that name. */
export async function setTarget(context: CommandContext, name = '', url = ''): Promise<number> {
  const { options } = context
  const { content = 'bundle', auth = 'none', method = 'PUT', user = '', topic = 'groupwright', mqttVersion = 5, retain = true } = options
  const common = {
    name,
    url,
    content,
    auth,
    user,
    anchors: textOf(options.anchors),
    certificate: textOf(options.certificate),
    ditto: { namespace: options.namespace ?? 'groupwright.site', subject: options.dittoSubject ?? 'nginx:ditto' },
    receiver: textOf(options.receiver),
  }
  const settings = newPushTarget.safeParse(
    url.startsWith('mqtt')
      ? { kind: 'mqtt', version: mqttVersion === 3 ? 4 : mqttVersion, topic, retain, ...common }
      : { kind: 'https', method, ...common },
  )
  if (!settings.success) {
    const [issue] = settings.error.issues
    throw new AppError('input.invalid', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`, {
      details: { option: issue?.path.join('.') ?? '' },
    })
  }
  return withSite(context, async ({ session }) => {
    const known = session.rows('pushTargets').find((row) => row.settings.name === name)
    const secret = auth === 'none' ? undefined : secretOf(options)
    const { id } = await session.call('fleet.saveTarget', {
      ...(known === undefined ? {} : { id: known.id }),
      settings: settings.data,
      ...(secret === undefined ? {} : { secret }),
    })
    const lacksSecret = auth !== 'none' && session.rows('pushTargets').find((row) => row.id === id)?.hasSecret !== true
    const missing = lacksSecret ? '; its password, token or key has to be given with --secret-file' : ''
    context.output.value({ id }, `${known === undefined ? 'Added' : 'Changed'} ${name}${missing}`)
    return EXIT.ok
  })
}

export async function removeTarget(context: CommandContext, name = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    await session.call('fleet.removeTarget', { id: findTarget(session, name).id })
    context.output.value({}, `Removed ${name}`)
    return EXIT.ok
  })
}

export async function testTarget(context: CommandContext, name = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    await session.call('fleet.testTarget', { id: findTarget(session, name).id })
    context.output.value({ reached: true }, `${name} answers and lets us in. Nothing was sent.`)
    return EXIT.ok
  })
}

/** What an earlier run left unfinished comes first. */
export async function push(context: CommandContext, name = ''): Promise<number> {
  return withSite(
    context,
    async ({ session }) => {
      const target = findTarget(session, name)
      for (const job of session.rows('jobs').filter(({ kind, state }) => kind === 'push' && state === 'running'))
        await followJob(session, job.id, 'Resume')
      const { jobId } = await session.call('fleet.push', { id: target.id, redact: context.options.redact !== false })
      const job = await followJob(session, jobId, 'Push')
      const failed = session.rows('jobItems').filter((item) => item.jobId === jobId && item.failure !== null)
      for (const item of failed)
        context.output.line(`${item.state}: ${item.label}: ${item.failure?.code ?? ''} ${item.failure?.message ?? ''}`)
      context.output.value({ ...job, failed }, '')
      return job.state === 'done' && job.counts.failed + job.counts.warning === 0 ? EXIT.ok : EXIT.incomplete
    },
    { resumeJobs: true },
  )
}

export async function showReceiverKey({ options, output }: CommandContext): Promise<number> {
  const { program, session } = openProgram(options)
  try {
    const key = await session.call('fleet.receiverKey', {})
    output.value(key, key.jwk)
    return EXIT.ok
  } finally {
    await program.close()
  }
}

/** With `--site` the bundle is compared with that site, whose copy stops sending where somebody else has taken it over. */
export async function inspectBundle({ options, output }: CommandContext, file = ''): Promise<number> {
  const { program, session } = options.site === undefined ? openProgram(options) : await openSite(options)
  try {
    const facts = await session.call('fleet.inspect', { text: bundleText(file) })
    output.value(facts, describe(facts))
    return EXIT.ok
  } finally {
    await program.close()
  }
}

export async function importBundle({ options, output }: CommandContext, file = ''): Promise<number> {
  const text = bundleText(file)
  const { program, session } = openProgram(options)
  try {
    const facts = await session.call('fleet.inspect', { text })
    if (options.root === undefined) {
      output.line(describe(facts))
      throw new AppError('input.invalid', 'Compare the fingerprint of the root with the other laptop, then give it with --root', {
        details: { option: '--root' },
      })
    }
    const root = options.root.toLowerCase().replaceAll(/[^0-9a-f]/g, '')
    const takeOver = options.takeOver === true
    await session.call('fleet.importBundle', { text, root, takeOver })
    const [site] = session.rows('session')
    const [writer] = session.rows('writer')
    output.value(
      { site: site?.site?.fileName, writer },
      `${facts.siteName} is here now, ${takeOver ? `and this program writes to it (epoch ${writer?.epoch ?? 0})` : 'for reading'}`,
    )
    return EXIT.ok
  } finally {
    await program.close()
  }
}

export async function showWriter(context: CommandContext): Promise<number> {
  return withSite(context, async ({ session }) => {
    if (context.options.takeOver === true) await session.call('fleet.takeOver', {})
    const [writer] = session.rows('writer')
    context.output.value(
      writer,
      writer?.state === 'writer'
        ? `This program writes to the site (epoch ${writer.epoch}).`
        : `Another program writes to the site (${writer?.holder ?? ''}, epoch ${writer?.epoch ?? 0}).`,
    )
    return EXIT.ok
  })
}

function findTarget(session: Session, name: string): PushTargetRow {
  const found = session.rows('pushTargets').find((row) => row.id === name || row.settings.name === name)
  if (found === undefined) throw new AppError('push.target-unknown', `There is no destination ${name}`)
  return found
}

export function textOf(file: string | undefined): string | null {
  if (file === undefined) return null
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new AppError('import.unreadable', `Cannot read ${file}`, { cause, details: { file } })
  }
}

function bundleText(file: string): string {
  const text = textOf(file) ?? ''
  if (text.length > LARGEST) throw new AppError('bundle.invalid', 'The file is too large for a bundle')
  return text
}

function describe(facts: BundleFacts): string {
  const keys = { none: 'no keys', ours: 'keys for this program', others: 'keys for another program' }[facts.secrets]
  return [
    `${facts.siteName}: ${facts.devices} devices, ${facts.groups} groups, revision ${facts.revision}`,
    `signed ${new Date(facts.signedAt).toISOString()} by ${facts.signer} under ${facts.root}`,
    `root ${facts.rootFingerprint}`,
    `writer ${facts.holder}, epoch ${facts.epoch} (${facts.relation}); ${keys}`,
  ].join('\n')
}
