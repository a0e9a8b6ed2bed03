// What a border router announces for devices to find the directory (RFC 9176 §4.1.1), for as long as the site listens where they reach it.
import { computed, shallowRef, watch } from 'vue'
import type { ShallowRef } from 'vue'
import type { OpOutput } from '#contract/ops.ts'
import { useOp } from '../../composables/use-op.ts'
import { useFeed } from '../../stores/feeds.ts'

export type RouterOption = OpOutput<'rd.addressOptions'>[number]

/** Null where no IPv6 address is worth announcing. */
export function useRouterOption(): Readonly<ShallowRef<RouterOption | null>> {
  const session = useFeed('session')
  const ask = useOp('rd.addressOptions')
  const option = shallowRef<RouterOption | null>(null)
  const places = computed(() =>
    (session.rows.value[0]?.network.listening ?? []).map(({ channel, address }) => `${channel} ${address}`).join(),
  )
  watch(
    places,
    async (now) => {
      const options = now === '' ? [] : await ask.run({})
      // An answer for addresses that have changed since is late.
      if (now === places.value) option.value = options?.[0] ?? null
    },
    { immediate: true },
  )
  return option
}
