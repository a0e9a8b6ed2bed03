// Rubbish at every door of the running program: a clear answer or silence, nothing lost, and it goes on working.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { expect, it, onTestFinished } from 'vitest'
import { seededRandom, silentLogger, systemClock, systemRandom, utf8 } from '#main/base/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { testProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

const DATAGRAMS = 5000
/** A registration of libcoap's client, to be bent. */
const REAL = Uint8Array.from([
  0x41, 0x02, 0x06, 0x18, 0x01, 0xb2, 0x72, 0x64, 0x11, 0x28, 0x36, 0x65, 0x70, 0x3d, 0x6c, 0x61, 0x6d, 0x70, 0xff, 0x3c, 0x2f, 0x61, 0x3e,
])

it('lives through a flood of rubbish on the directory’s port, keeps what it knew and takes the next registration', async () => {
  const { program, session } = testProgram(temporaryFolder())
  onTestFinished(() => program.close())
  const details = { name: 'Flooded', organisation: '', address: '', operator: '' }
  await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
  const to = { address: '::1', port: session.rows('session')[0]?.network.listening[0]?.port ?? 0 }
  const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const client = new CoapEndpoint({ channel, clock: systemClock, random: systemRandom, logger: silentLogger })
  onTestFinished(async () => {
    client.close()
    await channel.close()
  })
  const register = (ep: string): ReturnType<typeof client.request> =>
    client.request(to, { method: 'POST', path: ['rd'], query: [`ep=${ep}`, 'lt=600'], contentFormat: 40, payload: utf8('</a>;rt="x"') })
  expect((await register('before')).code).toBe('2.01')

  const random = seededRandom(99)
  const socket = createSocket('udp6')
  onTestFinished(() => {
    socket.close()
  })
  for (let count = 0; count < DATAGRAMS; count++) {
    const bytes =
      random.below(2) === 0 ? random.bytes(random.below(1300)) : REAL.map((byte) => (random.below(8) === 0 ? random.below(256) : byte))
    socket.send(bytes, to.port, to.address)
    if (count % 200 === 0) await once(setImmediateEvent(), 'turn')
  }

  expect((await register('after')).code).toBe('2.01')
  const { rows } = await session.call('rd.list', { offset: 0, limit: 1000 })
  const names = rows.map((row) => row.endpointName)
  expect(names).toContain('before')
  expect(names).toContain('after')
})

/** Lets the sockets of this process have their turn. */
function setImmediateEvent(): EventTarget {
  const target = new EventTarget()
  setImmediate(() => target.dispatchEvent(new Event('turn')))
  return target
}
