// Sites that were open before, and those that lie in the sites folder. The window knows them by handles, never by paths.
import { existsSync, readdirSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { z } from 'zod'
import { AppError } from '#main/base/index.ts'
import { siteKind } from '#contract/model.ts'
import type { RecentSite, SiteKind } from '#contract/model.ts'
import { readJsonFile, writeJsonFile } from './json-file.ts'

export const SITE_EXTENSION = '.site'
const MOST_REMEMBERED = 30

const entrySchema = z.object({ path: z.string(), name: z.string(), kind: siteKind.nullable(), openedAt: z.number().nullable() })
type Entry = z.infer<typeof entrySchema>

export interface RecentSites {
  list(): readonly RecentSite[]
  /** The path behind a handle. Throws `site.not-found`. */
  path(handle: string): string
  /** Notes that the site was opened; answers its handle. */
  opened(path: string, name: string, kind: SiteKind, at: number): string
  /** A path in the sites folder for a new site of that name. Throws `site.name-taken`. */
  newPath(name: string): string
}

export function openRecentSites(dataDirectory: string, sitesDirectory: string): RecentSites {
  const file = join(dataDirectory, 'recent-sites.json')
  // Read each time: another process may have opened a site meanwhile.
  const read = (): readonly Entry[] => {
    const stored = z.array(entrySchema).safeParse(readJsonFile(file))
    return stored.success ? stored.data : []
  }

  const all = (): readonly Entry[] => {
    const remembered = read()
    const known = new Set(remembered.map((entry) => entry.path))
    const lying = sitesIn(sitesDirectory).filter((path) => !known.has(path))
    return [...remembered, ...lying.map((path) => ({ path, name: basename(path, SITE_EXTENSION), kind: null, openedAt: null }))]
  }
  return {
    list: () =>
      all().map((entry) => ({
        handle: handleOf(entry.path),
        name: entry.name,
        fileName: basename(entry.path),
        kind: entry.kind,
        openedAt: entry.openedAt,
        exists: existsSync(entry.path),
      })),
    path(handle) {
      const found = all().find((entry) => handleOf(entry.path) === handle)
      if (found === undefined) throw new AppError('site.not-found', 'No site is known by that handle')
      return found.path
    },
    opened(path, name, kind, at) {
      const full = resolve(path)
      const entries = [{ path: full, name, kind, openedAt: at }, ...read().filter((entry) => entry.path !== full)]
      writeJsonFile(file, entries.slice(0, MOST_REMEMBERED))
      return handleOf(full)
    },
    newPath(name) {
      const path = join(sitesDirectory, `${fileNameOf(name)}${SITE_EXTENSION}`)
      if (existsSync(path))
        throw new AppError('site.name-taken', `There is a site file ${basename(path)} already`, { details: { fileName: basename(path) } })
      return path
    },
  }
}

function sitesIn(directory: string): readonly string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory)
    .filter((name) => name.endsWith(SITE_EXTENSION))
    .map((name) => resolve(directory, name))
}

/** Stands for a path; base64url keeps it a plain token. The window cannot forge one for a file that is not listed. */
export function handleOf(path: string): string {
  return Buffer.from(resolve(path)).toString('base64url')
}

/** A name that every file system takes: letters, digits, spaces, hyphens, dots and underscores. */
function fileNameOf(name: string): string {
  const kept = name
    .normalize('NFC')
    .replace(/[^\p{L}\p{N} ._-]/gu, '-')
    .replace(/^[. ]+|[. ]+$/g, '')
    .slice(0, 80)
  return kept === '' ? 'site' : kept
}
