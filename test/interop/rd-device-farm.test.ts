// The demo devices on real sockets, in a process of their own: served, counted and registered at the directory.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { silentLogger, systemClock, systemRandom, utf8 } from '#main/base/index.ts'
import { createResourceDirectory } from '#main/services/rd/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { MemoryRegistrationStore } from '../services/rd/harness.ts'

interface FarmDevice {
  readonly eui64: string
  readonly serial: string
  readonly name: string
  readonly type: string
  readonly port: number
}

it('devices of the farm answer, are counted, and register', async () => {
  const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const tree = new ResourceTree()
  const endpoint = new CoapEndpoint({ channel, tree, clock: systemClock, random: systemRandom, logger: silentLogger })
  const directory = createResourceDirectory({
    store: new MemoryRegistrationStore(),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    registry: tree,
  })
  const registered = new Promise<void>((resolve) => {
    directory.onChange(() => {
      if (directory.size === 5) resolve()
    })
  })
  const farm = spawn(
    process.execPath,
    [join(import.meta.dirname, '../support/device-farm.ts'), '--devices', '5', '--rd', String(channel.local.port)],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  onTestFinished(async () => {
    farm.kill()
    directory.close()
    endpoint.close()
    await channel.close()
  })
  const lines = createInterface({ input: farm.stdout })[Symbol.asyncIterator]()
  const nextLine = async (): Promise<unknown> => JSON.parse((await lines.next()).value ?? 'null')

  const devices = (await nextLine()) as readonly FarmDevice[]
  expect(devices).toHaveLength(5)
  const to = { address: '::1', port: devices[2]!.port }
  const dev = await endpoint.request(to, { method: 'GET', path: ['dev'] })
  expect(JSON.parse(new TextDecoder().decode(dev.payload))).toMatchObject({
    eui64: devices[2]!.eui64,
    serial: devices[2]!.serial,
    type: devices[2]!.type,
  })

  const payload = utf8(JSON.stringify({ a: 'ff35:30:fd00::1:1', p: 5683 }))
  for (const code of ['2.01', '2.04']) {
    expect((await endpoint.request(to, { method: 'PUT', path: ['groups', 'room'], payload, contentFormat: 50 })).code).toBe(code)
  }
  expect((await endpoint.request(to, { method: 'DELETE', path: ['groups', 'room'] })).code).toBe('2.02')
  farm.stdin.write('counts\n')
  expect(await nextLine()).toEqual({ [devices[2]!.eui64]: { room: { PUT: 2, DELETE: 1 } } })

  await registered
  expect(directory.find(devices[0]!.eui64)).toMatchObject({ base: `coap://[::1]:${devices[0]!.port}` })
  farm.stdin.write('quit\n')
  expect(await once(farm, 'exit')).toEqual([0, null])
})
