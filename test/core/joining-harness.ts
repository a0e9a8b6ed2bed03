// A whole program whose site has an authority and trusts a maker, and a link with a join proxy on it by which pledges come.
import { onTestFinished } from 'vitest'
import { silentLogger, systemClock, systemRandom, type SocketAddress } from '#main/base/index.ts'
import type { ProgramOptions } from '#main/ipc/index.ts'
import {
  createDeviceList,
  createJoinProxy,
  createMasa,
  localMasaClient,
  Pledge,
  type MasaClient,
  type PledgeOptions,
} from '#main/services/join/index.ts'
import { MemoryNetwork, openUdpChannel } from '#main/wire/ip/index.ts'
import { createManufacturer, toPem, type Issued } from '../services/ra/harness.ts'
import { testProgram, type TestProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

export const details = { name: 'Office 2.14', organisation: '', address: '', operator: '' }
export const maker = createManufacturer(Date.now())
export const stranger = createManufacturer(Date.now(), 'Nobody & Sons')
export const ports = { clock: systemClock, random: systemRandom, logger: silentLogger }
const JOIN_PORT: SocketAddress = { address: 'fe80::1', port: 5690 }
export const EUI64 = '020000fffe00a001'

/** `owner`: whose the devices are, as sales know it. */
export function masaOf(serials: readonly string[], owner?: string, ownership: 'anyone' | 'sales' = 'anyone'): MasaClient {
  return localMasaClient(
    createMasa({
      key: maker.issuing.key,
      chain: [maker.issuing.certificate.bytes, maker.root.certificate.bytes],
      deviceAnchors: [maker.root.certificate.bytes],
      devices: createDeviceList(serials.map((serialNumber) => ({ serialNumber, ...(owner === undefined ? {} : { owner }) }))),
      ownership,
      clock: systemClock,
    }),
  )
}

/** A site with an authority that trusts the maker, and where it listens. */
export async function start(serials: readonly string[], more: Partial<ProgramOptions> = {}): Promise<TestProgram> {
  const started = testProgram(temporaryFolder(), { masa: masaOf(serials), ...more })
  onTestFinished(() => started.program.close())
  const { session } = started
  await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
  await session.call('ra.createRoot', { subject: 'CN=Office CA' })
  await session.call('ra.trust', { kind: 'manufacturer', text: toPem('CERTIFICATE', maker.root.certificate.bytes) })
  await session.when('session', ({ network }) => network.listening.some(({ scheme }) => scheme === 'jpy'))
  return started
}

export function placeOf({ session }: TestProgram, scheme: 'coap' | 'coaps' | 'jpy'): SocketAddress {
  const found = session.rows('session')[0]?.network.listening.find((at) => at.scheme === scheme)
  if (found === undefined) throw new TypeError(`nothing listens for ${scheme}`)
  return { address: found.address, port: found.port }
}

/** A link with a join proxy on it, and a way for pledges to that. */
export async function openLink(started: TestProgram): Promise<(birth: Issued, more?: Partial<PledgeOptions>) => Pledge> {
  const link = new MemoryNetwork({ clock: systemClock, random: systemRandom })
  const uplink = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const proxy = createJoinProxy({
    mode: 'stateless',
    pledges: link.channel(JOIN_PORT),
    uplink,
    registrar: () => placeOf(started, 'jpy'),
    ...ports,
  })
  onTestFinished(async () => {
    await proxy.close()
    await uplink.close()
  })
  let nodes = 1
  return (birth, more = {}) =>
    new Pledge({
      channel: link.channel({ address: `fe80::${(++nodes).toString(16)}`, port: 5684 }),
      to: JOIN_PORT,
      birth: { key: birth.key, chain: [birth.certificate.bytes, ...birth.chain] },
      makerAnchors: [maker.root.certificate.bytes],
      ...ports,
      ...more,
    })
}

export async function plan({ session }: TestProgram, serial: string): Promise<string> {
  const { id } = await session.call('devices.create', {
    name: 'Lamp 1',
    type: 'luminaire',
    roomId: null,
    eui64: EUI64,
    serial,
    comment: '',
  })
  return id
}
