// A site whose requests go on to a customer's authority that can be down, and a file that outlives the program.
import { onTestFinished } from 'vitest'
import { AppError, generateSigningKey, seededRandom, silentLogger } from '#main/base/index.ts'
import {
  CmpProxy,
  type CmpClient,
  type CmpTransport,
  type UpstreamLimits,
  type UpstreamRecord,
  type UpstreamServer,
} from '#main/services/ra/index.ts'
import { createUpstreamStore } from '#main/store/index.ts'
import type { IncomingRequest } from '#main/wire/coap/index.ts'
import { Oid } from '../../../src-main/services/ra/der/index.ts'
import { readCmpPath } from '../../../src-main/services/ra/transfer/paths.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { clientOf, createManufacturer, memoryDatabase, nameOf, openSite, SECRET, type Site } from './harness.ts'

export const NOW = Date.UTC(2026, 0, 5, 8)
export const manufacturer = createManufacturer(NOW)
const customerPki = createManufacturer(NOW, 'Customer')
export const ra = customerPki.device('O=Customer, CN=Site RA', [], 'P-256', [Oid.cmcRa])
export const lamp = manufacturer.device('CN=lamp-1')
export const wish = (): Parameters<CmpClient['enrol']>[1] => ({ key: generateSigningKey('P-256'), subject: nameOf('CN=lamp-1') })

export async function bench(server: Partial<UpstreamServer> & Pick<UpstreamServer, 'mode'>, limits: Partial<UpstreamLimits> = {}) {
  const clock = new VirtualClock(NOW)
  const anchors = [manufacturer.root.certificate.bytes]
  const database = memoryDatabase()
  const local = await openSite({ clock, database, ra: { manufacturerAnchors: anchors } })
  const customer = await openSite({ clock, seed: 90, ra: { manufacturerAnchors: anchors, trustedRas: [ra.certificate.bytes] } })
  await customer.desk.preRegister(
    [
      { reference: 'row', identities: ['lamp-1'] },
      { reference: 'gw-1', secret: SECRET },
    ],
    'test',
  )
  const at = {
    clock,
    local,
    customer,
    database,
    down: false,
    /** The customer does not answer until it is released. */
    stalls: false,
    stalled: [] as Array<(reason: Error) => void>,
    release: (reason: Error): void => {
      for (const reject of at.stalled.splice(0)) reject(reason)
    },
    /** Messages as they reach the customer. */
    arrived: [] as Uint8Array[],
    /** The next answer of the proxy does not reach the device: the program is killed before. */
    losesAnswer: false,
    opened: 0,
    proxy: undefined as CmpProxy | undefined,
    /** As after kill -9: a new proxy begins with what the file holds; the old one writes nothing more. */
    restart: async (servers?: readonly UpstreamServer[]): Promise<CmpProxy> => {
      at.proxy?.close()
      const proxy = new CmpProxy({
        authority: local.authority,
        clock,
        random: seededRandom(21),
        logger: silentLogger,
        limits,
        store: createUpstreamStore(database),
        servers: servers ?? [
          { name: 'customer', select: { profile: 'pki' }, anchors: [customer.ca.active.certificate.bytes], connect, ...server },
        ],
      })
      at.proxy = proxy
      await proxy.takeUp()
      return proxy
    },
    send: async (payload: Uint8Array): Promise<Uint8Array> => {
      const path = readCmpPath(['p', 'pki'])
      const answer = path === undefined ? undefined : await at.proxy?.route(payload, path, { options: [] } as unknown as IncomingRequest)
      if (answer === undefined) throw new RangeError('not routed')
      if (at.losesAnswer) {
        at.losesAnswer = false
        await at.restart()
        throw new AppError('coap.timeout', 'nobody answered')
      }
      return answer.bytes
    },
    client: (credential: Parameters<typeof clientOf>[1]): CmpClient =>
      clientOf(local, credential, {
        transport: { exchange: at.send, close: () => undefined },
        anchors: [customer.ca.active.certificate.bytes, local.ca.active.certificate.bytes],
      }),
  }
  const connect = (): CmpTransport => {
    at.opened++
    return {
      exchange: async (message) => {
        if (at.stalls) await new Promise((_resolve, reject) => at.stalled.push(reject))
        if (at.down) throw new AppError('ra.upstream-unreachable', 'down', { retryable: true })
        at.arrived.push(message)
        return (await customer.authority.handle(message, { source: 'proxy' })).bytes
      },
      close: () => undefined,
    }
  }
  await at.restart()
  onTestFinished(() => {
    at.proxy?.close()
    for (const site of [local, customer] satisfies Site[]) {
      site.authority.close()
      site.ca.close()
    }
  })
  return at
}

export type At = Awaited<ReturnType<typeof bench>>
/** What has gone to the server is remembered for a while beside. */
export const records = ({ database }: At): readonly UpstreamRecord[] =>
  createUpstreamStore(database)
    .upstreamRecords()
    .filter(({ state }) => state !== 'sent')

export async function run(clock: VirtualClock, ms: number): Promise<void> {
  for (let done = 0; done < ms; done += 1000) {
    await clock.advance(1000)
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
}

export async function reached(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 5000; tries++) {
    if (condition()) return
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  throw new RangeError('not reached')
}
