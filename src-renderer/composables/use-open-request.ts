// What another place asks a view to open, by `?open=` in the address: done once, then taken out of the address.
import { nextTick, toValue, watch } from 'vue'
import type { MaybeRefOrGetter } from 'vue'
import { useRoute, useRouter } from 'vue-router'

export function useOpenRequest<Name extends string>(
  /** Whether what the actions look at is there. */
  ready: MaybeRefOrGetter<boolean>,
  actions: Readonly<Record<Name, () => unknown>>,
): void {
  const route = useRoute()
  const router = useRouter()
  const entries = new Map<string, () => unknown>(Object.entries(actions))
  watch(
    [() => route.query.open, () => toValue(ready)] as const,
    ([wanted, now]) => {
      if (typeof wanted !== 'string' || !now) return
      const query = Object.fromEntries(Object.entries(route.query).filter(([name]) => name !== 'open'))
      void router.replace({ path: route.path, query })
      // After the view stands: its sheets prepare themselves when they see themselves being opened.
      void nextTick(() => entries.get(wanted)?.())
    },
    { immediate: true },
  )
}
