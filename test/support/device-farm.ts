// Demo devices on real UDP sockets, in a process of their own: what a crash test of the tool commissions.
//   node test/support/device-farm.ts [--devices N] [--seed S] [--rd PORT] [--delay-ms D]
// Prints one JSON line with the devices when they listen. A line `counts` on standard input prints one JSON line with
// `{eui64: {group: {PUT, DELETE}}}` of all requests served on /groups/{group}; `quit` or the end of the input ends the process.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { Schedule, silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import { DemoDevice, DeviceHost, planFloor, Registrar, type DemoMemory } from '#main/simulator/index.ts'

const { values } = parseArgs({
  options: {
    devices: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    /** Registers the devices at the directory on this port of the loopback interface. */
    rd: { type: 'string' },
    /** Holds every answer back so long, so that a kill finds requests under way. */
    'delay-ms': { type: 'string', default: '0' },
  },
})

const plan = planFloor(Number(values.devices), Number(values.seed))
const texts = new Map<string, string>()
const memory: DemoMemory = { load: (ep) => texts.get(ep), save: (ep, text) => void texts.set(ep, text) }
const devices = plan.map((planned) => new DemoDevice(planned, { memory, monotonicMs: () => systemClock.monotonicMs() }))
const counts: Record<string, Record<string, { PUT: number; DELETE: number }>> = {}
const delayMs = Number(values['delay-ms'])
const schedule = new Schedule(systemClock)

const sockets: Socket[] = []
const host = new DeviceHost({
  devices,
  random: systemRandom,
  logger: silentLogger,
  send: (index, payload, to) => {
    const transmit = (): void => {
      sockets[index]?.send(payload, to.port, to.address, () => undefined)
    }
    if (delayMs > 0) schedule.setTimer(delayMs, transmit)
    else transmit()
  },
  onAnswer: (index, packet, from) => registrar?.receive(index, packet, from),
  onServed: (index, { method, path }) => {
    const eui64 = plan[index]?.eui64
    if (eui64 === undefined || path[0] !== 'groups' || path.length !== 2 || (method !== 'PUT' && method !== 'DELETE')) return
    const group = ((counts[eui64] ??= {})[path[1] ?? ''] ??= { PUT: 0, DELETE: 0 })
    group[method]++
  },
})
const registrar =
  values.rd === undefined
    ? undefined
    : new Registrar({
        devices,
        directory: { address: '::1', port: Number(values.rd) },
        lifetimeS: 3600,
        spreadMs: plan.length * 5,
        schedule,
        random: systemRandom,
        send: (index, payload, to) => sockets[index]?.send(payload, to.port, to.address, () => undefined),
      })
for (const index of devices.keys()) {
  const socket = createSocket('udp6')
  sockets.push(socket)
  socket.on('error', () => undefined)
  socket.on('message', (payload, from) => host.receive(index, payload, { address: from.address, port: from.port }, undefined))
  socket.bind(0, '::1')
  await once(socket, 'listening')
}

for (const index of devices.keys()) registrar?.powerOn(index)

const list = plan.map(({ eui64, serial, name, type }, index) => ({ eui64, serial, name, type, port: sockets[index]?.address().port }))
console.log(JSON.stringify(list))

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === 'counts') console.log(JSON.stringify(counts))
  if (line.trim() === 'quit') break
}
process.stdin.destroy()
registrar?.close()
schedule.clear()
host.close()
for (const socket of sockets) socket.close()
