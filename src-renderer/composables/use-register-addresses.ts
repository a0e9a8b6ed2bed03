// Where devices register: what the tool listens on, with the machine's own addresses in the place of "all of them".
import { computed, shallowRef, watch } from 'vue'
import type { ComputedRef } from 'vue'
import type { OpOutput } from '#contract/ops.ts'
import { isLoopback, registerAddress } from '../lib/addresses.ts'
import { useFeed } from '../stores/feeds.ts'
import { useOp } from './use-op.ts'

const DEMO_CHANNELS: ReadonlySet<string> = new Set(['demo', 'coaps:demo'])

export interface RegisterAddresses {
  readonly uris: ComputedRef<readonly string[]>
  /** Whether nothing but this computer reaches it. */
  readonly isLocal: ComputedRef<boolean>
}

export function useRegisterAddresses(): RegisterAddresses {
  const session = useFeed('session')
  const look = useOp('site.interfaces')
  const interfaces = shallowRef<OpOutput<'site.interfaces'>>([])
  // A demo site's radio has addresses of its own that no real device reaches.
  const own = computed(() =>
    (session.rows.value[0]?.network.listening ?? []).filter((each) => each.scheme !== 'jpy' && !DEMO_CHANNELS.has(each.channel)),
  )
  const anywhere = computed(() => own.value.some((each) => each.address === '::' || each.address === '0.0.0.0'))
  watch(
    anywhere,
    async (now) => {
      if (now) interfaces.value = (await look.run({})) ?? []
    },
    { immediate: true },
  )
  const uris = computed(() =>
    own.value.flatMap((each) => {
      const family = each.address === '::' ? 'IPv6' : each.address === '0.0.0.0' ? 'IPv4' : null
      if (family === null) return [registerAddress(each)]
      const outside = interfaces.value.filter((one) => one.family === family && !one.internal && !one.address.includes('%'))
      return outside.map(({ address }) => registerAddress({ ...each, address }))
    }),
  )
  return { uris, isLocal: computed(() => own.value.every((each) => isLoopback(each.address))) }
}
