import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { mkdtemp, rm, writeFile, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { seededRandom, systemClock, toHex, type AppError } from '#main/base/index.ts'
import {
  asSerialBinding,
  connectDongle,
  DongleLink,
  driverFor,
  encodeSlipFrame,
  openSerialLine,
  openTcpLine,
  parseTcpPath,
  PortWatch,
  probePort,
  type BindingPort,
  type SerialBinding,
  type SerialLine,
} from '#main/wire/links/index.ts'
import { openFailure } from '#main/wire/links/line-errors.ts'
import { describeWithPeer, start, type RunningPeer } from '../../support/peers.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { bytesOf, MemoryPorts, passUntil, RouterDouble, udpPacket, type DongleFirmware } from './support.ts'

async function failureOf(promise: Promise<unknown>): Promise<AppError> {
  try {
    await promise
  } catch (thrown) {
    return thrown as AppError
  }
  throw new Error('did not fail')
}

/** Collects what a line says. */
function hear(line: SerialLine): { bytes: number[]; closed: AppError | undefined | 'open' } {
  const heard: { bytes: number[]; closed: AppError | undefined | 'open' } = { bytes: [], closed: 'open' }
  line.subscribe((event) => {
    if (event.kind === 'bytes') heard.bytes.push(...event.bytes)
    else heard.closed = event.error
  })
  return heard
}

async function eventually(isTrue: () => boolean, timeoutMs = 5_000): Promise<void> {
  for (let waitedMs = 0; !isTrue(); waitedMs += 10) {
    if (waitedMs > timeoutMs) throw new Error('did not happen in time')
    await sleep(10)
  }
}

describe('what the system says of a port, as typed failures', () => {
  it.each([
    ['Error Resource temporarily unavailable Cannot lock port', 'linux', 'link.port-busy', true],
    ['Opening COM3: Access denied', 'win32', 'link.port-busy', true],
    ['Access denied', 'linux', 'link.no-permission', true],
    ['Error: Permission denied, cannot open /dev/ttyACM0', 'linux', 'link.no-permission', true],
    ['Error: No such file or directory, cannot open /dev/ttyACM0', 'linux', 'link.port-missing', true],
    ['Opening COM9: File not found', 'win32', 'link.port-missing', true],
    ['Error: Inappropriate ioctl for device setting custom baud rate', 'linux', 'link.not-a-port', false],
    ['Error: Input/output error setting custom baud rate of 115200', 'linux', 'link.not-a-port', false],
    ['something new', 'darwin', 'link.open-failed', true],
  ] as const)('%s (%s)', (text, platform, code, retryable) => {
    expect(openFailure(new Error(text), '/dev/x', platform)).toMatchObject({ code, retryable, details: { path: '/dev/x' } })
  })
})

describe('a serial line over a binding', () => {
  it('opens without hang-up and software flow control, and passes bytes both ways', async () => {
    const got: string[] = []
    let send: (bytes: Uint8Array) => void = () => undefined
    const ports = new MemoryPorts()
    const asked: unknown[] = []
    const binding: SerialBinding = {
      list: () => ports.list(),
      open: (options) => {
        asked.push(options)
        return ports.open(options)
      },
    }
    ports.plug({ path: '/dev/a' }, { opened: (toHost) => (send = toHost), received: (bytes) => void got.push(toHex(bytes)) })
    const line = await openSerialLine({ path: '/dev/a', binding, baudRate: 460_800, rtscts: true })
    expect(asked).toMatchObject([{ baudRate: 460_800, rtscts: true, xon: false, xoff: false, hupcl: false, lock: true }])
    const heard = hear(line)
    line.write(bytesOf('c011130d0a'))
    await line.drained()
    send(bytesOf('1113c0'))
    await eventually(() => heard.bytes.length === 3)
    expect(got).toEqual(['c011130d0a'])
    expect(line.queuedBytes).toBe(0)
    await line.close()
    expect(heard.closed).toBeUndefined()
    expect(ports.isOpen('/dev/a')).toBe(false)
  })

  it('tries a port again that looks locked for a moment, as on Node 20.11', async () => {
    const clock = new VirtualClock()
    const ports = new MemoryPorts()
    ports.plug({ path: '/dev/a' }, new RouterDouble())
    ports.openFailure = new Error('Error Resource temporarily unavailable Cannot lock port')
    clock.setTimer(300, () => (ports.openFailure = undefined))
    const line = await passUntil(clock, openSerialLine({ path: '/dev/a', binding: ports, clock }))
    expect(ports.opened.length).toBe(3)
    await line.close()
    ports.openFailure = new Error('Cannot lock port')
    const failure = await failureOf(passUntil(clock, openSerialLine({ path: '/dev/a', binding: ports, clock })))
    expect(failure.code).toBe('link.port-busy')
  })

  it('gives up on a port that never finishes opening, and closes it when it does', async () => {
    const clock = new VirtualClock()
    const slow = Promise.withResolvers<BindingPort>()
    const ports = new MemoryPorts()
    ports.plug({ path: '/dev/a' }, new RouterDouble())
    const binding: SerialBinding = { list: () => ports.list(), open: () => slow.promise }
    const failure = await failureOf(passUntil(clock, openSerialLine({ path: '/dev/a', binding, clock })))
    expect(failure).toMatchObject({ code: 'link.open-failed', retryable: true })
    slow.resolve(await ports.open({ path: '/dev/a', baudRate: 9600, rtscts: false }))
    await sleep(1)
    expect(ports.isOpen('/dev/a')).toBe(false)
  })

  it('keeps what does not leave within bounds, and says so', async () => {
    const ports = new MemoryPorts()
    ports.plug({ path: '/dev/a' }, new RouterDouble())
    const stuck: SerialBinding = {
      list: () => ports.list(),
      async open(options) {
        const port = await ports.open(options)
        return {
          ...port,
          isOpen: true,
          write: () => new Promise(() => undefined),
          close: () => port.close(),
          read: () => new Promise(() => undefined),
        }
      },
    }
    const line = await openSerialLine({ path: '/dev/a', binding: stuck })
    const heard = hear(line)
    let peak = 0
    for (let index = 0; index < 2_000; index++) {
      line.write(new Uint8Array(1_000))
      peak = Math.max(peak, line.queuedBytes)
    }
    await eventually(() => heard.closed !== 'open')
    expect(peak).toBeLessThanOrEqual(1024 * 1024)
    expect(line.queuedBytes).toBe(0)
    expect(heard.closed).toMatchObject({ code: 'link.closed' })
    await line.drained()
  })

  it('works through the mock binding that comes with serialport', async () => {
    const { SerialPortMock } = await import('serialport')
    const mock = SerialPortMock.binding as SerialBinding & { createPort(path: string, options: { echo: boolean }): void }
    mock.createPort('/dev/mock', { echo: true })
    const line = await openSerialLine({ path: '/dev/mock', binding: asSerialBinding(mock) })
    const heard = hear(line)
    line.write(bytesOf('010203'))
    await eventually(() => heard.bytes.length === 3)
    await line.close()
    expect(await failureOf(openSerialLine({ path: '/dev/none', binding: mock }))).toMatchObject({ code: 'link.port-missing' })
  })
})

describe('a serial line of this system', () => {
  it('types the failures of paths that are none', async () => {
    expect(await failureOf(openSerialLine({ path: '/dev/does-not-exist' }))).toMatchObject({ code: 'link.port-missing' })
    const folder = await mkdtemp(join(tmpdir(), 'links-'))
    await writeFile(join(folder, 'plain'), '')
    expect(await failureOf(openSerialLine({ path: join(folder, 'plain') }))).toMatchObject({ code: 'link.not-a-port', retryable: false })
    await rm(folder, { recursive: true })
  })
})

describe('a dongle behind TCP', () => {
  let server: Server
  let path: string
  let firmware: DongleFirmware & { readonly sockets: Socket[] }

  beforeEach(async () => {
    const router = new RouterDouble()
    const sockets: Socket[] = []
    firmware = { opened: (send) => router.opened(send), received: (bytes) => router.received(bytes), sockets }
    server = createServer((socket) => {
      sockets.push(socket)
      socket.on('error', () => undefined)
      firmware.opened((bytes) => void socket.write(bytes))
      socket.on('data', (bytes: Uint8Array) => firmware.received(new Uint8Array(bytes)))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    path = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
  })

  afterEach(async () => {
    for (const socket of firmware.sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })

  it('reads the paths that name one', () => {
    expect(parseTcpPath('tcp://slzb-06.local:6638')).toEqual({ host: 'slzb-06.local', port: 6638 })
    expect(parseTcpPath('tcp://[fe80::1%eth0]:20108/')).toEqual({ host: 'fe80::1%eth0', port: 20108 })
    for (const none of ['tcp://host', 'tcp://host:0', 'tcp://host:70000', '/dev/ttyACM0', 'tcp://:1', 'http://h:1']) {
      expect(parseTcpPath(none), none).toBeUndefined()
    }
  })

  it('is probed and told apart like one on a serial port', async () => {
    expect(await probePort({ path, clock: systemClock })).toMatchObject({ firmware: 'slip-router', settings: undefined, usable: true })
  })

  it('tells that the far end has closed, and that nobody listens', async () => {
    const { line } = await connectDongle({ path, clock: systemClock })
    const heard = hear(line)
    firmware.sockets[0]?.destroy()
    await eventually(() => heard.closed !== 'open')
    expect(heard.closed).toMatchObject({ code: 'link.closed' })
    expect(await failureOf(openTcpLine('tcp://127.0.0.1:1', systemClock))).toMatchObject({ code: 'link.open-failed', retryable: true })
  })
})

describeWithPeer('a serial line over a pseudo terminal', ['socat'], (socat) => {
  let folder: string
  let cable: RunningPeer

  /** A cable with two ends: ours and the dongle's. */
  async function plugIn(): Promise<void> {
    cable = start(socat, [`PTY,link=${join(folder, 'host')},rawer`, `PTY,link=${join(folder, 'dongle')},rawer`])
    await eventually(() => cable.child.exitCode === null)
    for (let tries = 0; tries < 300; tries++) {
      try {
        await stat(join(folder, 'host'))
        await stat(join(folder, 'dongle'))
        return
      } catch {
        await sleep(10)
      }
    }
  }

  /** Runs a firmware at the dongle's end. */
  async function run(firmware: DongleFirmware): Promise<SerialLine> {
    const line = await openSerialLine({ path: join(folder, 'dongle') })
    line.subscribe((event) => {
      if (event.kind === 'bytes') firmware.received(event.bytes)
    })
    firmware.opened((bytes) => line.write(bytes))
    return line
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'links-'))
    await plugIn()
  })

  afterEach(async () => {
    await cable.stop()
    await rm(folder, { recursive: true, force: true })
  })

  it('opens although such a port has no DTR, carries all byte values both ways, and is locked while open', async () => {
    const host = await openSerialLine({ path: join(folder, 'host'), baudRate: 460_800 })
    const dongle = await openSerialLine({ path: join(folder, 'dongle') })
    const atHost = hear(host)
    const atDongle = hear(dongle)
    const all = Uint8Array.from({ length: 10_000 }, (_, index) => (index * 7) & 0xff)
    host.write(all)
    dongle.write(all)
    await host.drained()
    await eventually(() => atHost.bytes.length === all.length && atDongle.bytes.length === all.length)
    expect(toHex(Uint8Array.from(atHost.bytes))).toBe(toHex(all))
    expect(toHex(Uint8Array.from(atDongle.bytes))).toBe(toHex(all))
    expect(await failureOf(openSerialLine({ path: join(folder, 'host') }))).toMatchObject({ code: 'link.port-busy' })
    await Promise.all([host.close(), dongle.close()])
    await (await openSerialLine({ path: join(folder, 'host') })).close()
  })

  it('tells within a moment that it was unplugged', async () => {
    const host = await openSerialLine({ path: join(folder, 'host') })
    const heard = hear(host)
    await cable.stop()
    await eventually(() => heard.closed !== 'open')
    expect(heard.closed).toMatchObject({ code: 'link.closed', retryable: true })
    host.write(bytesOf('00'))
    await host.drained()
    await host.close()
  })

  it('tells so too when that happens the moment it was opened, without spinning', { timeout: 30_000 }, async () => {
    for (let round = 0; round < 25; round++) {
      const host = await openSerialLine({ path: join(folder, 'host') })
      const heard = hear(host)
      await cable.stop()
      await eventually(() => heard.closed !== 'open', 1_000)
      await plugIn()
    }
  })

  it('closes a port whose far end takes nothing', async () => {
    const host = await openSerialLine({ path: join(folder, 'host') })
    process.kill(cable.child.pid ?? 0, 'SIGSTOP')
    host.write(new Uint8Array(200_000))
    await sleep(100)
    expect(host.queuedBytes).toBeGreaterThan(0)
    await host.close()
    process.kill(cable.child.pid ?? 0, 'SIGCONT')
  })

  it('carries a whole life: up, packets both ways, unplugged, plugged in again, closed', { timeout: 30_000 }, async () => {
    const router = new RouterDouble()
    let far = await run(router)
    const watch = new PortWatch({ clock: systemClock })
    const target = { path: join(folder, 'host') }
    const dongle = new DongleLink({
      id: 'dongle:pty',
      target,
      clock: systemClock,
      random: seededRandom(1),
      watch,
      createDriver: driverFor(),
    })
    const received: string[] = []
    dongle.subscribe((event) => {
      if (event.kind === 'packet') received.push(toHex(event.packet))
    })
    dongle.open()
    await eventually(() => dongle.up)
    const packets = [udpPacket(1280, 0x11), udpPacket(600, 0xc0), udpPacket(60, 0xdb)]
    for (const packet of packets) dongle.send(packet)
    await eventually(() => router.packets.length === 3)
    expect(router.packets.map(toHex)).toEqual(packets.map(toHex))
    for (const packet of packets) router.send(encodeSlipFrame(packet))
    await eventually(() => received.length === 3)
    expect(received).toEqual(packets.map(toHex))
    await cable.stop()
    await eventually(() => !dongle.up)
    await far.close()
    router.prefix = undefined
    await plugIn()
    far = await run(router)
    await eventually(() => dongle.up, 15_000)
    dongle.send(packets[2] ?? new Uint8Array())
    await eventually(() => router.packets.length === 4)
    expect(dongle.counters()).toMatchObject({ sessions: 2, losses: 1, damagedFrames: 0 })
    await dongle.close()
    await far.close()
  })
})
