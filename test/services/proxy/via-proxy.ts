// Group requests of our client through the proxy, and what it says where the proxy refuses.
import { fromHex } from '#main/base/index.ts'
import { OptionNumber, stringOption, type ClientRequest, type CoapEndpoint } from '#main/wire/coap/index.ts'
import { groupRequestViaProxy, type ProxiedResponse, type ViaProxyOptions } from '#main/services/proxy/index.ts'
import { all } from '../../wire/coap/harness.ts'
import { G, P, type World } from './harness.ts'

export const GET_R: ClientRequest = { method: 'GET', path: ['r'] }
export const GROUP_URI = stringOption(OptionNumber.PROXY_URI, `coap://[${G.address}]/r`)
export const TOKEN = fromHex('aa01') ?? new Uint8Array(0)

export function viaProxy(w: World, client: CoapEndpoint, options: Partial<ViaProxyOptions> = {}): Promise<ProxiedResponse[]> {
  return w.clock.until(all(groupRequestViaProxy(client, w.clock, G, GET_R, { proxy: P, timeoutS: 5, ...options })))
}

export async function refusal(w: World, client: CoapEndpoint, options: Partial<ViaProxyOptions> = {}): Promise<unknown> {
  return viaProxy(w, client, options).then(
    () => 'no refusal',
    (thrown: unknown) => (thrown instanceof Error && 'details' in thrown ? thrown.details : thrown),
  )
}
