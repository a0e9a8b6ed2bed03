// A server for the CoAP benchmarks in a process of its own: `echo` is a bare dgram echo, `coap` our endpoint with small resources,
// `coap-forgetful` the same with room for one Message ID only, `node-coap` the npm package `coap` with the same resource.
import { createSocket } from 'node:dgram'
import { createServer } from 'coap'
import { silentLogger, systemClock, systemRandom, utf8 } from '#main/base/index.ts'
import { CoapEndpoint, Observable, ResourceTree } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'

let usedAtStart = process.cpuUsage()
process.on('message', (message) => {
  if (message === 'start') {
    usedAtStart = process.cpuUsage()
    process.send?.({ kind: 'started' })
  } else if (message === 'usage') {
    const used = process.cpuUsage(usedAtStart)
    process.send?.({ kind: 'usage', cpuUs: used.user + used.system, rssBytes: process.memoryUsage.rss() })
  }
})
process.on('disconnect', () => process.exit(0))

function ready(port: number): void {
  process.send?.({ kind: 'ready', port })
}

const PAYLOAD = utf8('21.5 degrees')

const kind = process.argv[2] ?? 'coap'
switch (kind) {
  case 'echo': {
    const socket = createSocket('udp6')
    socket.on('message', (payload, from) => socket.send(payload, from.port, from.address))
    socket.bind(0, '::1', () => ready(socket.address().port))
    break
  }
  case 'node-coap': {
    const probe = createSocket('udp6')
    await new Promise<void>((resolve) => {
      probe.bind(0, '::1', () => resolve())
    })
    const { port } = probe.address()
    await new Promise<void>((resolve) => {
      probe.close(() => resolve())
    })
    const payload = Buffer.from(PAYLOAD)
    createServer({ type: 'udp6' }, (request, response) => {
      response.code = request.url === '/sensors/temperature' ? '2.05' : '4.04'
      response.end(payload)
    }).listen(port, '::1', () => ready(port))
    break
  }
  default: {
    const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
    const tree = new ResourceTree()
    tree.add('/sensors/temperature', { handlers: { GET: () => ({ code: '2.05', payload: PAYLOAD, contentFormat: 0 }) } })
    tree.add('/observed', { observable: new Observable(), handlers: { GET: () => ({ code: '2.05', payload: PAYLOAD }) } })
    const parameters = { maxDedupEntries: kind === 'coap-forgetful' ? 1 : 131_072 }
    new CoapEndpoint({ channel, tree, clock: systemClock, random: systemRandom, logger: silentLogger, parameters })
    ready(channel.local.port)
  }
}
