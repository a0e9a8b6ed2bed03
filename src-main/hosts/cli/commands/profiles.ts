// groupwright profile …: device profiles listed, checked, tested with recorded exchanges, and tried on a device.
import { basename } from 'node:path'
import { existsSync } from 'node:fs'
import { AppError } from '#main/base/index.ts'
import { lintProfile, parseProfile, profileJsonSchema, runProfileTests } from '#main/site/devices/index.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import { readText } from './devices.ts'
import { findDevice } from './find.ts'
import { withSite } from './with-site.ts'

export async function listProfiles(context: CommandContext): Promise<number> {
  return withSite(context, async ({ session }) => {
    const { profiles, broken } = await session.call('profiles.list', {})
    context.output.table(profiles, ['id', 'name', 'source', 'fileName', 'devices', 'memberships', 'keys'])
    for (const { fileName, findings } of broken) context.output.line(`${fileName}: ${findings[0]?.message ?? 'cannot be used'}`)
    return EXIT.ok
  })
}

/** Needs no site. Fails where there is an error; warnings are told. */
export function lintProfiles({ output }: CommandContext, ...files: readonly string[]): Promise<number> {
  const all = files.map((file) => ({ file, findings: lintProfile(basename(file), readText(file)) }))
  const lines = all.flatMap(({ file, findings }) =>
    findings.map(({ line, column, severity, message }) => `${file}:${line}:${column}: ${severity}: ${message}`),
  )
  output.value(all, lines.length === 0 ? 'nothing to say' : lines.join('\n'))
  const hasErrors = all.some(({ findings }) => findings.some(({ severity }) => severity === 'error'))
  return Promise.resolve(hasErrors ? EXIT.failed : EXIT.ok)
}

/** Each profile with the tests beside it: `lamp.yaml` with `lamp.test.yaml`. Needs no site. */
export async function testProfiles({ output }: CommandContext, ...files: readonly string[]): Promise<number> {
  const results: Array<{ readonly file: string; readonly name: string; readonly line: number; readonly failure: string | null }> = []
  for (const file of files) {
    const tests = file.replace(/(\.ya?ml)$/i, '.test$1')
    if (tests === file || !existsSync(tests)) throw new AppError('import.unreadable', `There is no ${tests}`, { details: { file: tests } })
    const profile = parseProfile(basename(file), readText(file))
    for (const result of await runProfileTests(profile, basename(tests), readText(tests))) results.push({ ...result, file: tests })
  }
  const failed = results.filter(({ failure }) => failure !== null)
  const lines = failed.map(({ file, line, name, failure }) => `${file}:${line}: ${name}: ${failure ?? ''}`)
  output.value(results, [...lines, `${results.length - failed.length} passed, ${failed.length} failed`].join('\n'))
  return failed.length === 0 ? EXIT.ok : EXIT.failed
}

/** A file, or the id of a profile in use; without one, the device's own. */
export async function tryProfileOn(context: CommandContext, profile?: string): Promise<number> {
  const { device = '', write = false } = context.options
  const way = profile === undefined ? {} : existsSync(profile) ? { text: readText(profile) } : { profileId: profile }
  return withSite(context, async ({ session }) => {
    const { id: deviceId } = findDevice(session, device)
    const tried = await session.call('profiles.try', { deviceId, write, ...way })
    context.output.value(tried, tried.steps.map(({ step, outcome, text }) => `${outcome.padEnd(8)}${step.padEnd(12)}${text}`).join('\n'))
    return tried.steps.some(({ outcome }) => outcome === 'failed') ? EXIT.failed : EXIT.ok
  })
}

export function showProfileSchema({ output }: CommandContext): Promise<number> {
  const schema = profileJsonSchema()
  output.value(JSON.parse(schema), schema.trimEnd())
  return Promise.resolve(EXIT.ok)
}
