// Nodes that ask and answer in a link or in the routed network.
import { utf8ToText, type DatagramChannel } from '#main/base/index.ts'
import type { RegistrarAnnouncement } from '#main/services/join/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import type { MemoryNetwork } from '#main/wire/ip/index.ts'
import type { World } from './port-harness.ts'

export const ALL_LINK = 'ff02::fd'
export const ALL_SITE = 'ff05::fd'

export function node(
  of: World,
  network: MemoryNetwork,
  address: string,
  groups: readonly string[] = [],
  port = 5683,
): { readonly tree: ResourceTree; readonly coap: CoapEndpoint; readonly channel: DatagramChannel } {
  const channel = network.channel({ address, port })
  for (const group of groups) channel.joinGroup(group)
  const tree = new ResourceTree()
  return { tree, channel, coap: new CoapEndpoint({ ...of.common, channel, tree }) }
}

export async function askGroup(of: World, asker: CoapEndpoint, group: string, query: string): Promise<string[]> {
  const answers: string[] = []
  const collect = (async () => {
    const request = { method: 'GET', path: ['.well-known', 'core'], query: [query] } as const
    for await (const { payload, source } of asker.groupRequest({ address: group, port: 5683 }, request, { deadlineMs: 7000 }))
      answers.push(`${source.address} ${utf8ToText(payload) ?? '?'}`)
  })()
  await of.clock.until(collect)
  return answers
}

export const places: Pick<RegistrarAnnouncement, 'jpy' | 'coaps'> = {
  jpy: () => ({ port: 7634, versions: ['20', '01'] }),
  coaps: () => ({ port: 5684, path: '/b' }),
}
