// A UDP peer on the system's own sockets, to be run in a network namespace: echoes, sends what must be cut into fragments, and tells what
// becomes of a datagram to a closed port. `node ip-kernel-peer.ts PORT INTERFACE`.
import { createSocket } from 'node:dgram'

const [port = '', device = ''] = process.argv.slice(2)
const socket = createSocket({ type: 'udp6', ipv6Only: true })
socket.on('message', (message, from) => {
  const [word = '', first = '', second = ''] = message.toString().split(' ')
  const answer = (bytes: Uint8Array | string): void => socket.send(bytes, from.port, from.address)
  if (word === 'big') answer(Uint8Array.from({ length: Number(first) }, (_, index) => index & 255))
  else if (word === 'knock') {
    const knocking = createSocket('udp6')
    knocking.on('error', (error: NodeJS.ErrnoException) => {
      answer(`knocked ${error.code ?? error.message}`)
      knocking.close()
    })
    knocking.connect(Number(second), first, () => knocking.send('knock'))
  } else if (word === 'shout') socket.send('shouted', Number(second), `${first}%${device}`)
  else answer(message)
})
socket.bind(Number(port), '::', () => {
  socket.addMembership('ff03::fd', `::%${device}`)
  console.log('ready')
})
