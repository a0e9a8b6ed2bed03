import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  fingerprints,
  listPorts,
  PortWatch,
  probePort,
  settingsToTry,
  systemBinding,
  UDEV_RULE_FILE,
  type PortChange,
  type PortSystem,
} from '#main/wire/links/index.ts'
import { describePort } from '#main/wire/links/ports.ts'
import { matchFingerprint } from '#main/wire/links/fingerprints.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { MemoryPorts, RouterDouble } from './support.ts'

interface Files {
  readonly platform?: PortSystem['platform']
  readonly texts?: Readonly<Record<string, string>>
  /** Links by path. */
  readonly links?: Readonly<Record<string, string>>
  readonly denied?: readonly string[]
  readonly groups?: Readonly<Record<string, number>>
}

/** A Linux machine that consists of a few files. */
function machine({ platform = 'linux', texts = {}, links = {}, denied = [], groups = {} }: Files): PortSystem {
  const paths = [...Object.keys(texts), ...Object.keys(links), ...Object.values(links), ...denied]
  return {
    platform,
    pid: 99,
    names: (directory) => {
      const inside = paths
        .filter((path) => path.startsWith(`${directory}/`))
        .map((path) => path.slice(directory.length + 1).split('/')[0] ?? '')
      return Promise.resolve([...new Set(inside)].sort())
    },
    resolve: (path) => Promise.resolve(links[path] ?? (paths.includes(path) ? path : undefined)),
    link: (path) => Promise.resolve(links[path]),
    text: (path) => Promise.resolve(texts[path]),
    access: (path) => Promise.resolve(denied.includes(path) ? 'denied' : paths.includes(path) ? 'open' : 'missing'),
    groupId: (path) => Promise.resolve(groups[path]),
  }
}

const usb = '/sys/devices/pci0/usb1/1-2'
const zbt = {
  texts: {
    '/dev/ttyUSB0': '',
    [`${usb}/idVendor`]: '10c4',
    [`${usb}/idProduct`]: 'ea60',
    [`${usb}/manufacturer`]: 'Nabu Casa',
    [`${usb}/serial`]: 'c0ffee',
    [`${usb}/1-2:1.0/bInterfaceNumber`]: '00',
    '/sys/class/tty/ttyUSB0/dev': '188:0',
  },
  links: {
    '/sys/class/tty/ttyUSB0/device': `${usb}/1-2:1.0/ttyUSB0`,
    '/dev/serial/by-id/usb-Nabu_Casa_SkyConnect_v1.0_c0ffee-if00-port0': '/dev/ttyUSB0',
  },
}

describe('the list of ports on Linux', () => {
  it('names a known stick by its USB facts and gives its settings', async () => {
    const { ports, reason } = await listPorts({ system: machine(zbt) })
    expect(reason).toBeUndefined()
    expect(ports).toEqual([
      {
        path: '/dev/ttyUSB0',
        key: 'usb:10c4:ea60:c0ffee:00',
        name: 'Home Assistant ZBT-1',
        usb: { id: '10c4:ea60', manufacturer: 'Nabu Casa', serialNumber: 'c0ffee' },
        stableName: 'usb-Nabu_Casa_SkyConnect_v1.0_c0ffee-if00-port0',
        hint: undefined,
        score: 4,
        settings: { baudRate: 460_800, rtscts: true },
        verdict: { kind: 'unknown' },
      },
    ])
  })

  it('says who holds a port', async () => {
    const system = machine({
      texts: { ...zbt.texts, '/proc/4711/comm': 'ModemManager', '/proc/99/comm': 'this' },
      links: { ...zbt.links, '/proc/4711/fd/12': '/dev/ttyUSB0', '/proc/99/fd/3': '/dev/ttyUSB0' },
    })
    const [port] = (await listPorts({ system })).ports
    expect(port?.verdict).toEqual({ kind: 'busy', by: { pid: 4711, program: 'ModemManager' } })
  })

  it('does not count what this process has open', async () => {
    const system = machine({ texts: zbt.texts, links: { ...zbt.links, '/proc/99/fd/3': '/dev/ttyUSB0' } })
    expect((await listPorts({ system })).ports[0]?.verdict).toEqual({ kind: 'unknown' })
  })

  it.each([
    ['dialout', 'sudo usermod --append --groups dialout "$USER"'],
    ['uucp', 'sudo usermod --append --groups uucp "$USER"'],
    ['root', undefined],
  ])('names the remedy where the permission is missing and %s owns the port', async (group, joinGroup) => {
    const texts = Object.fromEntries(Object.entries(zbt.texts).filter(([path]) => path !== '/dev/ttyUSB0'))
    const system = machine({
      texts: { ...texts, '/etc/group': `root:x:0:\n${group}:x:20:` },
      links: zbt.links,
      denied: ['/dev/ttyUSB0'],
      groups: { '/dev/ttyUSB0': 20 },
    })
    const verdict = (await listPorts({ system })).ports[0]?.verdict
    expect(verdict).toMatchObject({ kind: 'no-permission', remedy: { group, joinGroup } })
    expect(verdict?.kind === 'no-permission' && verdict.remedy.installRule[0]).toBe(
      `sudo install -m 644 ${UDEV_RULE_FILE} /etc/udev/rules.d/`,
    )
  })

  it('leaves out the serial ports that Linux keeps for hardware that is not there', async () => {
    const system = machine({
      texts: {
        '/dev/ttyS0': '',
        '/dev/ttyS1': '',
        '/sys/class/tty/ttyS0/type': '4',
        '/sys/class/tty/ttyS1/type': '0',
        '/sys/class/tty/tty1/dev': '4:1',
        '/dev/tty1': '',
      },
    })
    expect((await listPorts({ system })).ports.map((port) => port.path)).toEqual(['/dev/ttyS0'])
  })

  it('falls back to the device files where sysfs is hidden', async () => {
    const system = machine({
      texts: { '/dev/ttyACM3': '', '/dev/ttyUSB1': '', '/dev/null': '' },
      links: { '/dev/serial/by-id/usb-Zolertia_Firefly_x-if00': '/dev/ttyUSB1' },
    })
    const { ports } = await listPorts({ system })
    expect(ports.map((port) => [port.path, port.key])).toEqual([
      ['/dev/ttyACM3', '/dev/ttyACM3'],
      ['/dev/ttyUSB1', 'usb-Zolertia_Firefly_x-if00'],
    ])
  })

  it('gives an empty list with a reason on a machine without ports', async () => {
    expect(await listPorts({ system: machine({}) })).toEqual({ ports: [], reason: 'no-devices', text: undefined })
  })

  it('lists this machine without a failure, with or without udevadm', async () => {
    const { ports, reason } = await listPorts()
    expect(ports.length > 0 || reason === 'no-devices' || reason === 'not-listed').toBe(true)
  })
})

describe('the list of ports elsewhere', () => {
  it('says that the system cannot be asked, and what it said', async () => {
    const binding = new MemoryPorts()
    binding.list = () => Promise.reject(new Error('spawn udevadm ENOENT'))
    expect(await listPorts({ system: machine({ platform: 'other' }), binding })).toEqual({
      ports: [],
      reason: 'not-listed',
      text: 'spawn udevadm ENOENT',
    })
  })

  it('opens the call-out device on macOS', async () => {
    const binding = new MemoryPorts()
    binding.plug({ path: '/dev/tty.usbmodem1', vendorId: '1915', productId: 'CAFE' }, new RouterDouble())
    const { ports } = await listPorts({ system: machine({ platform: 'darwin' }), binding })
    expect(ports).toMatchObject([{ path: '/dev/cu.usbmodem1', name: 'nRF52840 with OpenThread', score: 1 }])
  })

  it('can be asked through serialport itself', async () => {
    expect(typeof (await systemBinding()).list).toBe('function')
  })
})

describe('fingerprints', () => {
  const port = { path: '/dev/ttyUSB0', vendorId: '10C4', productId: 'EA60' }

  it('takes ids of a bridge chip for a bridge chip, and nothing more', () => {
    expect(matchFingerprint(port, 'linux')).toMatchObject({ score: 1, fingerprint: { name: 'USB serial bridge (CP210x)' } })
    expect(matchFingerprint({ ...port, manufacturer: 'Nabu Casa' }, 'win32')).toMatchObject({
      score: 1,
      fingerprint: { name: 'USB serial bridge (CP210x)' },
    })
  })

  it.each([
    [{ manufacturer: 'ITEAD', pnpId: 'usb-ITEAD_SONOFF_Zigbee_3.0_USB_Dongle_Plus_V2_2022-if00' }, 'SONOFF ZBDongle-E', 4],
    [{ manufacturer: 'ITEAD', pnpId: 'usb-ITEAD_SONOFF_Zigbee_3.0_USB_Dongle_Plus_abc-if00' }, 'SONOFF ZBDongle-P', 4],
    [{ manufacturer: 'SMLIGHT' }, 'SMLIGHT SLZB', 2],
    [{ pnpId: 'usb-Nabu_Casa_SkyConnect_v1.0_x' }, 'Home Assistant ZBT-1', 3],
  ])('tells products with the same ids apart: %o', (facts, name, score) => {
    expect(matchFingerprint({ ...port, ...facts }, 'linux')).toMatchObject({ score, fingerprint: { name } })
  })

  it('knows a boot loader, which is not a radio yet', async () => {
    const binding = new MemoryPorts()
    binding.plug({ path: 'COM3', vendorId: '1915', productId: '521f' }, new RouterDouble())
    const { ports } = await listPorts({ system: machine({ platform: 'win32' }), binding })
    expect(ports[0]).toMatchObject({ hint: 'bootloader', verdict: { kind: 'wrong-firmware', found: 'bootloader' } })
  })

  it('tries the suggested settings first and each only once', () => {
    const list = settingsToTry({ baudRate: 460_800, rtscts: true })
    expect(list[0]).toEqual({ baudRate: 460_800, rtscts: true })
    expect(new Set(list.map((entry) => JSON.stringify(entry))).size).toBe(list.length)
    expect(list.map((entry) => entry.baudRate)).toContain(1_000_000)
  })

  it('has a rule for each of them in the file that the remedy names', () => {
    const rules = readFileSync(join(import.meta.dirname, '../../../build/udev', UDEV_RULE_FILE), 'utf8')
    for (const usbId of fingerprints.flatMap((fingerprint) => fingerprint.usbIds)) {
      const [vendor, product] = usbId.split(':')
      expect(rules).toContain(`ATTRS{idVendor}=="${vendor}", ATTRS{idProduct}=="${product}", TAG+="uaccess"`)
    }
  })

  it('tells two ports of one board apart by their USB interface, on Linux and on Windows', () => {
    const board = { vendorId: '0451', productId: 'bef3', serialNumber: 'L1' }
    expect(describePort({ ...board, path: '/dev/ttyACM1', interfaceNumber: '03' }).key).toBe('usb:0451:bef3:L1:03')
    expect(describePort({ ...board, path: 'COM4', pnpId: 'USB\\VID_0451&PID_BEF3&MI_00\\7&1' }).key).toBe('usb:0451:bef3:L1:00')
  })
})

describe('probing a port of the list', () => {
  it('remembers what was found in the verdict', async () => {
    const binding = new MemoryPorts()
    binding.plug({ path: '/dev/a', vendorId: '0451', productId: '16c8', serialNumber: 'A' }, new RouterDouble())
    const clock = new VirtualClock()
    const report = await clock.until(probePort({ path: '/dev/a', clock, binding }))
    expect(report).toMatchObject({
      firmware: 'slip-router',
      usable: true,
      eui64: '00124b0000000001',
      settings: { baudRate: 115_200, rtscts: false },
    })
    expect(binding.isOpen('/dev/a')).toBe(false)
    const system = machine({ platform: 'other' })
    const list = async (firmware: 'slip-router' | 'spinel-rcp' | 'none') =>
      (await listPorts({ system, binding, probed: new Map([['usb:0451:16c8:A', firmware]]) })).ports[0]?.verdict
    expect(await list('slip-router')).toEqual({ kind: 'usable', firmware: 'slip-router' })
    expect(await list('spinel-rcp')).toEqual({ kind: 'wrong-firmware', found: 'spinel-rcp' })
    expect(await list('none')).toEqual({ kind: 'unknown' })
  })

  it('tries one speed after the other on a port that does not answer', async () => {
    const binding = new MemoryPorts()
    const deaf = new RouterDouble('00124b0000000001', new Uint8Array(8))
    deaf.silent = true
    binding.plug({ path: '/dev/a' }, deaf)
    const clock = new VirtualClock()
    const report = await clock.until(probePort({ path: '/dev/a', clock, binding, suggested: { baudRate: 460_800, rtscts: true } }))
    expect(report).toMatchObject({ firmware: 'none', usable: false, settings: undefined })
    expect(binding.opened.map((entry) => `${entry.baudRate} ${entry.rtscts}`)).toEqual([
      '460800 true',
      '115200 false',
      '460800 false',
      '115200 true',
      '1000000 false',
    ])
    expect(binding.isOpen('/dev/a')).toBe(false)
  })
})

describe('hot plug', () => {
  it('tells what has come and gone, and looks only while somebody listens', async () => {
    const binding = new MemoryPorts()
    const clock = new VirtualClock()
    const watch = new PortWatch({ clock, binding, system: machine({ platform: 'other' }) })
    binding.plug({ path: '/dev/a', serialNumber: 'A' }, new RouterDouble())
    const changes: PortChange[] = []
    const stop = watch.subscribe((change) => changes.push(change))
    await clock.advance(2_100)
    expect(changes).toEqual([])
    binding.plug({ path: '/dev/b', serialNumber: 'B' }, new RouterDouble())
    binding.unplug('/dev/a')
    await clock.advance(2_000)
    expect(changes.map((change) => [change.appeared.map((port) => port.path), change.vanished.map((port) => port.path)])).toEqual([
      [['/dev/b'], ['/dev/a']],
    ])
    stop()
    await clock.advance(10_000)
    expect(clock.pendingTimers).toBe(0)
  })
})
