// Where the roles of a site are kept: with its file, so that they go where it goes.
import { z } from 'zod'
import { AppError } from '#main/base/index.ts'
import type { JsonValue } from '#main/base/index.ts'
import { createAccess } from '#main/site/access/index.ts'
import type { Access, AccessOptions, AccessRecord } from '#main/site/access/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import { lockableRole } from '#contract/model.ts'

/** Name under which the site file keeps them. */
export const ACCESS_META = 'access'

const pin = z.object({ n: z.number().int(), r: z.number().int(), p: z.number().int(), salt: z.string(), hash: z.string() })
const kept = z.object({
  pins: z.partialRecord(lockableRole, pin),
  failures: z.partialRecord(lockableRole, z.object({ count: z.number().int().nonnegative(), at: z.number() })),
})

/** A record that cannot be read any more counts as damaged, never as a site without PINs. Throws `store.corrupt`. */
export function createSiteAccess(file: SiteFile, ports: Pick<AccessOptions, 'clock' | 'random'>): Access {
  return createAccess({
    store: {
      load: () => read(file.getMeta(ACCESS_META)),
      save: (record) => file.setMeta(ACCESS_META, plain(record)),
    },
    ...ports,
  })
}

/** The roles that came with a bundle's keys, as JSON: whoever takes a site over is asked for the same PINs. Throws `bundle.invalid`. */
export function bringAccess(file: Pick<SiteFile, 'setMeta'>, text: string): void {
  const record = carried(text)
  if (record !== null) file.setMeta(ACCESS_META, plain(record))
}

function carried(text: string): AccessRecord | null {
  try {
    return kept.nullable().parse(JSON.parse(text))
  } catch (cause) {
    throw new AppError('bundle.invalid', 'The PINs of the bundle cannot be read', { cause })
  }
}

function read(value: JsonValue | undefined): AccessRecord | undefined {
  if (value === undefined) return undefined
  const parsed = kept.safeParse(value)
  if (!parsed.success) throw new AppError('store.corrupt', 'The PINs of the site cannot be read')
  return parsed.data
}

function plain({ pins, failures }: AccessRecord): JsonValue {
  const kept = Object.entries(pins).map(([role, { n, r, p, salt, hash }]) => [role, { n, r, p, salt, hash }] as const)
  const wrong = Object.entries(failures).map(([role, { count, at }]) => [role, { count, at }] as const)
  return { pins: Object.fromEntries(kept), failures: Object.fromEntries(wrong) }
}
