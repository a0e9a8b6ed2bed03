// The person's preferences: language, theme, view settings. They belong to the machine, not to a site.
import { join } from 'node:path'
import { KeyedFeed } from '#main/base/index.ts'
import { preferencesRow } from '#contract/model.ts'
import type { PreferencesRow } from '#contract/model.ts'
import { readJsonFile, writeJsonFile } from './json-file.ts'

/** View settings beyond this are not kept: the oldest names go first. */
const MOST_VIEWS = 200

export interface Preferences {
  readonly feed: KeyedFeed<PreferencesRow>
  current(): PreferencesRow
  set(patch: Partial<Omit<PreferencesRow, 'key'>>): void
}

const defaults: PreferencesRow = { key: 'preferences', locale: null, theme: 'system', density: 'normal', views: {} }

export function openPreferences(directory: string): Preferences {
  const path = join(directory, 'preferences.json')
  const stored = preferencesRow.safeParse(readJsonFile(path))
  let row: PreferencesRow = stored.success ? stored.data : defaults
  const feed = new KeyedFeed<PreferencesRow>((entry) => entry.key)
  feed.set(row)
  return {
    feed,
    current: () => row,
    set(patch) {
      const views = Object.entries({ ...row.views, ...patch.views }).slice(-MOST_VIEWS)
      row = { ...row, ...patch, views: Object.fromEntries(views) }
      writeJsonFile(path, row)
      feed.set(row)
    },
  }
}
