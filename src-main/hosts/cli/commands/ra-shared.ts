// What the commands of `groupwright ra` share: the row of the authority, files, and words of options.
import { writeFileSync } from 'node:fs'
import type { z } from 'zod'
import { AppError } from '#main/base/index.ts'
import { raAlgorithm } from '#contract/model.ts'
import type { RaFile, RaRow } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import type { Session } from '../session.ts'

/** Of a list that is pulled in pages. */
export const PAGE = 1000

export function rowOf(session: Session): RaRow {
  const [row] = session.rows('ra')
  if (row === undefined) throw new AppError('site.none-open', 'No site is open')
  return row
}

export function tellAuthority({ output }: CommandContext, session: Session): number {
  const row = rowOf(session)
  const active = row.authorities.findLast(({ state }) => state === 'active')
  const keys = row.protection === 'unprotected' ? '; its key is protected by file permissions alone' : ''
  output.value(
    active ?? null,
    active === undefined ? row.state : `${active.subject} until ${dayOf(active.notAfter)}, SHA-256 ${active.fingerprint ?? ''}${keys}`,
  )
  return EXIT.ok
}

export function tellFile({ options, output }: CommandContext, file: RaFile): number {
  if (options.out !== undefined) {
    try {
      writeFileSync(options.out, file.encoding === 'base64' ? Buffer.from(file.text, 'base64') : file.text)
    } catch (cause) {
      throw new AppError('export.failed', `Cannot write ${options.out}`, { cause, details: { file: options.out } })
    }
    output.value({ file: options.out }, options.out)
  } else output.value(file, file.text.trimEnd())
  return EXIT.ok
}

export function algorithmOf({ options }: CommandContext): z.infer<typeof raAlgorithm> {
  return oneOf(raAlgorithm, options.algorithm ?? 'P-256', '--algorithm')
}

export function dayOf(at: number | null): string {
  return at === null ? '–' : new Date(at).toISOString().slice(0, 10)
}

export function definedOnly<Value extends object>(value: Value): { [Key in keyof Value]: Exclude<Value[Key], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [Key in keyof Value]: Exclude<Value[Key], undefined>
  }
}

export function parseJson<Value>(shape: z.ZodType<Value>, text: string, file: string): Value {
  try {
    return shape.parse(JSON.parse(text))
  } catch (cause) {
    throw new AppError('input.invalid', `${file} does not hold what is wanted here`, { cause, details: { file } })
  }
}

export function oneOf<Value extends string>(
  choice: z.ZodType<Value> & { readonly options: readonly Value[] },
  text: string,
  option: string,
): Value {
  const parsed = choice.safeParse(text)
  if (!parsed.success) throw new AppError('input.invalid', `Choose one of ${choice.options.join(', ')}`, { details: { option } })
  return parsed.data
}
