// So many responders to a group request in one process, each with a socket of its own, spread over the time that the parent sends.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { utf8 } from '#main/base/index.ts'
import { decodeMessage, encodeMessage } from '#main/wire/coap/index.ts'

const GROUP = '224.0.1.187'
const PAYLOAD = utf8('21.5 degrees')
const count = Number(process.argv[2])
let spreadMs = 0
let nextMessageId = 0

const sockets: Socket[] = []
for (let index = 0; index < count; index++) {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  sockets.push(socket)
}

const listener = createSocket('udp4')
listener.on('message', (payload, from) => {
  const request = decodeMessage(payload)
  nextMessageId = (nextMessageId + 1) & 0xffff
  const messageId = nextMessageId
  for (const [index, socket] of sockets.entries()) {
    const answer = encodeMessage({ type: 'NON', code: '2.05', messageId, token: request.token, options: [], payload: PAYLOAD })
    if (spreadMs === 0) socket.send(answer, from.port, from.address)
    else setTimeout(() => socket.send(answer, from.port, from.address), (index / count) * spreadMs)
  }
})
listener.bind(0, GROUP, () => {
  listener.addMembership(GROUP, '127.0.0.1')
  process.send?.({ port: listener.address().port, group: GROUP })
})

process.on('message', (message) => {
  spreadMs = Number(message)
  process.send?.('set')
})
process.on('disconnect', () => process.exit(0))
