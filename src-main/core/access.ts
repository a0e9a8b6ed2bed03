// Where the roles of a site are kept: with its file, so that they go where it goes.
import { z } from 'zod'
import { AppError } from '#main/base/index.ts'
import type { JsonValue } from '#main/base/index.ts'
import { createAccess } from '#main/site/access/index.ts'
import type { Access, AccessOptions, AccessRecord } from '#main/site/access/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import { lockableRole } from '#contract/model.ts'

const KEY = 'access'

const pin = z.object({ n: z.number().int(), r: z.number().int(), p: z.number().int(), salt: z.string(), hash: z.string() })
const kept = z.object({
  pins: z.partialRecord(lockableRole, pin),
  failures: z.object({ count: z.number().int().nonnegative(), at: z.number() }),
})

/** A record that cannot be read any more counts as damaged, never as a site without PINs. Throws `store.corrupt`. */
export function createSiteAccess(file: SiteFile, ports: Pick<AccessOptions, 'clock' | 'random'>): Access {
  return createAccess({
    store: {
      load: () => read(file.getMeta(KEY)),
      save: (record) => file.setMeta(KEY, plain(record)),
    },
    ...ports,
  })
}

function read(value: JsonValue | undefined): AccessRecord | undefined {
  if (value === undefined) return undefined
  const parsed = kept.safeParse(value)
  if (!parsed.success) throw new AppError('store.corrupt', 'The PINs of the site cannot be read')
  return parsed.data
}

function plain({ pins, failures }: AccessRecord): JsonValue {
  const kept = Object.entries(pins).map(([role, { n, r, p, salt, hash }]) => [role, { n, r, p, salt, hash }] as const)
  return { pins: Object.fromEntries(kept), failures: { ...failures } }
}
