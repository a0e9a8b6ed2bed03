// A server for the CoAP benchmark in a process of its own: `echo` is a bare dgram echo, `coap` our endpoint with one small resource.
import { createSocket } from 'node:dgram'
import { silentLogger, systemClock, systemRandom, utf8 } from '#main/base/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
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

if (process.argv[2] === 'echo') {
  const socket = createSocket('udp6')
  socket.on('message', (payload, from) => socket.send(payload, from.port, from.address))
  socket.bind(0, '::1', () => ready(socket.address().port))
} else {
  const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const tree = new ResourceTree()
  const payload = utf8('21.5 degrees')
  tree.add('/sensors/temperature', { handlers: { GET: () => ({ code: '2.05', payload, contentFormat: 0 }) } })
  new CoapEndpoint({ channel, tree, clock: systemClock, random: systemRandom, logger: silentLogger })
  ready(channel.local.port)
}
