// The option for border routers beside the directory's settings: asked for where the site listens, and anew when that changes.
import { createPinia, setActivePinia } from 'pinia'
import { expect, it, vi } from 'vitest'
import { effectScope } from 'vue'
import type { Bridge } from '#contract/bridge.ts'
import type { FeedMessage } from '#contract/feeds.ts'
import type { Reply } from '#contract/ops.ts'

let tell: ((message: FeedMessage) => void) | undefined
const calls: string[] = []
const answers: Array<(value: unknown) => void> = []
const bridge: Bridge = {
  call: <Name extends never>(name: string) => {
    calls.push(name)
    return new Promise<unknown>((resolve) => {
      answers.push((value) => resolve({ ok: true, value }))
    }) as Promise<Reply<Name>>
  },
  subscribe(_feed, listener) {
    tell = listener as (message: FeedMessage) => void
    return () => undefined
  },
  onConnection: () => () => undefined,
}
vi.stubGlobal('window', { groupwright: bridge })
const { useRouterOption } = await import('../../../src-renderer/views/site/use-router-option.ts')

let version = 0
function listenAt(...addresses: readonly string[]): void {
  const listening = addresses.map((address) => ({ scheme: 'coap' as const, address, port: 5683, channel: 'udp' }))
  const network = { state: 'up' as const, failure: null, listening }
  version += 1
  tell?.({ kind: 'snapshot', version, rows: [{ key: 'session', version: '1', host: 'electron', site: null, network }] })
}

const optionOf = (address: string): unknown => ({ address, lifetimeS: 90_000, hex: '29', text: '' })

it('shows the first option of where the site listens, never a late one, and none where nothing is worth announcing', async () => {
  setActivePinia(createPinia())
  const scope = effectScope()
  const option = scope.run(useRouterOption)
  expect([option?.value, calls]).toEqual([null, []])
  listenAt('2001:db8::1')
  await vi.waitFor(() => expect(calls).toEqual(['rd.addressOptions']))
  listenAt('2001:db8::2')
  await vi.waitFor(() => expect(calls).toHaveLength(2))
  answers[1]?.([optionOf('2001:db8::2'), optionOf('2001:db8::3')])
  await vi.waitFor(() => expect(option?.value?.address).toBe('2001:db8::2'))
  answers[0]?.([optionOf('2001:db8::1')])
  await Promise.resolve()
  expect(option?.value?.address).toBe('2001:db8::2')
  listenAt('::1')
  await vi.waitFor(() => expect(calls).toHaveLength(3))
  answers[2]?.([])
  await vi.waitFor(() => expect(option?.value).toBeNull())
  scope.stop()
})
