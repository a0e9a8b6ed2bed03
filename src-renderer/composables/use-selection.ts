// The selection of a list or table whose keys are in the order that is shown.
import { computed, shallowRef, toValue, watch } from 'vue'
import type { ComputedRef, MaybeRefOrGetter, ShallowRef } from 'vue'
import { emptySelection, pick, retain, selectAll, step, toggle } from '../lib/selection.ts'
import type { PickModifiers, SelectionState } from '../lib/selection.ts'

export interface Selection {
  readonly state: ShallowRef<SelectionState>
  readonly keys: ComputedRef<ReadonlySet<string>>
  readonly cursor: ComputedRef<string | null>
  readonly count: ComputedRef<number>
  has(key: string): boolean
  pick(key: string, modifiers?: PickModifiers): void
  toggle(key: string): void
  step(by: number, shift?: boolean): void
  all(): void
  set(keys: Iterable<string>): void
  clear(): void
}

/** `order`: the keys as shown. `exists`: which keys may stay selected; without it those that are shown. */
export function useSelection(order: MaybeRefOrGetter<readonly string[]>, exists?: (key: string) => boolean): Selection {
  const state = shallowRef<SelectionState>(emptySelection)
  const keys = computed(() => state.value.keys)

  watch(
    () => toValue(order),
    (shown) => {
      if (state.value === emptySelection) return
      const known =
        exists ??
        (
          (set) => (key: string) =>
            set.has(key)
        )(new Set(shown))
      state.value = retain(state.value, known)
    },
  )

  return {
    state,
    keys,
    cursor: computed(() => state.value.cursor),
    count: computed(() => keys.value.size),
    has: (key) => keys.value.has(key),
    pick: (key, modifiers) => (state.value = pick(state.value, toValue(order), key, modifiers)),
    toggle: (key) => (state.value = toggle(state.value, key)),
    step: (by, shift) => (state.value = step(state.value, toValue(order), by, shift)),
    all: () => (state.value = selectAll(state.value, toValue(order))),
    set: (wanted) => (state.value = { ...state.value, keys: new Set(wanted) }),
    clear: () => (state.value = { ...state.value, keys: new Set(), anchor: null }),
  }
}
