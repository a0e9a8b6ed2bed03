// The person's preferences: language, theme, density and remembered view settings. They live with the core, outside the site.
import { computed, shallowRef, watch } from 'vue'
import type { ComputedRef } from 'vue'
import type { PreferencesRow } from '#contract/model.ts'
import { useFeed } from '../stores/feeds.ts'
import { useOp } from './use-op.ts'

export interface Preferences {
  readonly row: ComputedRef<PreferencesRow | null>
  readonly set: (patch: Partial<Omit<PreferencesRow, 'key'>>) => Promise<void>
  /** A remembered view setting; `null` when there is none or it cannot be read any more. */
  readonly view: (name: string) => unknown
  readonly remember: (name: string, value: unknown) => Promise<void>
}

/** View settings on their way to the core: shown at once, and never lost between two that follow each other quickly. */
const unsaved = shallowRef<Readonly<Record<string, string>>>({})

function settle(isSaved: (name: string, text: string) => boolean): void {
  unsaved.value = Object.fromEntries(Object.entries(unsaved.value).filter(([name, text]) => !isSaved(name, text)))
}

export function usePreferences(): Preferences {
  const feed = useFeed('preferences')
  const { run } = useOp('preferences.set')
  const row = computed(() => feed.rows.value[0] ?? null)
  const views = computed<Readonly<Record<string, string>>>(() => ({ ...row.value?.views, ...unsaved.value }))
  watch(row, (now) => settle((name, text) => now?.views[name] === text))

  return {
    row,
    set: async (patch) => {
      await run(patch)
    },
    view: (name) => {
      const text = views.value[name]
      if (text === undefined) return null
      try {
        return JSON.parse(text) as unknown
      } catch {
        return null
      }
    },
    remember: async (name, value) => {
      const text = JSON.stringify(value)
      unsaved.value = { ...unsaved.value, [name]: text }
      // What the core refused is not pretended to be kept.
      if ((await run({ views: views.value })) === undefined) settle((each, kept) => each === name && kept === text)
    },
  }
}
