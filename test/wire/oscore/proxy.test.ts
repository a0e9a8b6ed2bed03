// End-to-end protection through a proxy that has no keys (RFC 8613 §4.1.3.2, §10): it forwards what it cannot read.
import { expect, test } from 'vitest'
import { silentLogger, utf8 } from '#main/base/index.ts'
import { CoapEndpoint, Observable, OptionNumber, stringOption, type CoapOption } from '#main/wire/coap/index.ts'
import { createProxy } from '#main/services/proxy/index.ts'
import { listen, net, pair, text, type Net } from './harness.ts'

function proxyAt(network: Net, client: string): { readonly at: { address: string; port: number }; readonly heard: Uint8Array[] } {
  const at = { address: '2001:db8::b', port: 5683 }
  const channel = network.network.channel(at)
  const heard = listen(channel)
  const common = { clock: network.clock, random: network.random, logger: silentLogger }
  const endpoints: CoapEndpoint[] = []
  const proxy = createProxy({
    ...common,
    egress: () => endpoints[0],
    policy: { rules: [{ clients: [{ address: client }], servers: 'any', groups: [] }] },
  })
  endpoints.push(new CoapEndpoint({ ...common, channel, intermediary: proxy }))
  return { at, heard }
}

const through = (host: string): CoapOption[] => [stringOption(OptionNumber.URI_HOST, host), stringOption(OptionNumber.PROXY_SCHEME, 'coap')]

test('a request and its response pass unread, with a body in inner blocks', async () => {
  const network = net()
  const { client, server } = pair(network)
  const proxy = proxyAt(network, client.at.address)
  server.tree.add('/room', {
    protection: 'required',
    handlers: { PUT: ({ payload }) => ({ code: '2.04', payload: payload.slice().reverse() }) },
  })
  const security = client.layer.to('server')
  const small = await network.clock.until(
    client.endpoint.request(proxy.at, {
      method: 'PUT',
      path: ['room'],
      payload: utf8('secret'),
      options: through(server.at.address),
      security,
    }),
  )
  expect(text(small.payload)).toBe('terces')
  expect(small.peer).toMatchObject({ scheme: 'oscore', name: 'server' })
  for (const bytes of proxy.heard) expect(text(bytes)).not.toMatch(/secret|terces|room/)
  const payload = Uint8Array.from({ length: 3000 }, (_, index) => index & 255)
  const large = await network.clock.until(
    client.endpoint.request(proxy.at, { method: 'PUT', path: ['room'], payload, options: through(server.at.address), security }),
  )
  expect(large.payload).toEqual(payload.slice().reverse())
})

test('an observation passes, each notification protected', async () => {
  const network = net()
  const { client, server } = pair(network)
  const proxy = proxyAt(network, client.at.address)
  const state = new Observable()
  let value = 0
  server.tree.add('/t', { observable: state, handlers: { GET: () => ({ code: '2.05', payload: utf8(String(value)) }) } })
  const heard: string[] = []
  const observation = client.endpoint.observe(
    proxy.at,
    { method: 'GET', path: ['t'], options: through(server.at.address), security: client.layer.to('server') },
    { onNotification: ({ payload }) => heard.push(text(payload)) },
  )
  await network.clock.advance(3000)
  for (value = 1; value < 3; value++) {
    state.notify()
    await network.clock.advance(10_000)
  }
  expect([...new Set(heard)]).toEqual(['0', '1', '2'])
  observation.forget()
})
