// A device that talks to the registrar by hand, and what it may send.
import { generateSigningKey, seededRandom } from '#main/base/index.ts'
import { makePledgeRequest, writeRequest, type PledgeRequestWish } from '#main/services/join/index.ts'
import type { ClientResponse, CoapEndpoint } from '#main/wire/coap/index.ts'
import type { Issued } from '../../ra/harness.ts'
import { certificateOf, COAPS, type House } from './house.ts'

export interface Visit {
  readonly client: CoapEndpoint
  readonly post: (path: readonly string[], payload: Uint8Array, contentFormat: number) => Promise<ClientResponse>
  readonly get: (path: readonly string[]) => Promise<ClientResponse>
}

export function visit(house: House, who: Issued): Visit {
  const client = house.client(certificateOf(who))
  return {
    client,
    post: (path, payload, contentFormat) => house.drive(client.request(COAPS, { method: 'POST', path, payload, contentFormat })),
    get: (path) => house.drive(client.request(COAPS, { method: 'GET', path })),
  }
}

export const RV = ['.well-known', 'brski', 'rv']
export const SEN = ['est', 'sen']

export const random = seededRandom(77)

export function requestOf(house: House, device: Issued, wish: Partial<PledgeRequestWish> = {}): Uint8Array {
  const registrarCertificate = house.registrar.credential!.certificate.bytes
  const credential = { key: device.key, chain: [device.certificate.bytes] }
  return makePledgeRequest(credential, { format: 'cose', nonce: random.bytes(8), registrarCertificate, ...wish })
}

export function csrOf(device: Issued): Uint8Array {
  return writeRequest({ subject: device.certificate.subject }, generateSigningKey('P-256'))
}

/** Subjects of what devices have got. */
export function issuedToDevices(house: House): readonly string[] {
  return house.site.desk
    .certificates({ limit: 100 })
    .filter(({ profile }) => profile === 'device')
    .map(({ subject }) => subject)
}

export async function advance(house: House, byMs: number): Promise<void> {
  for (let left = byMs; left > 0; left -= 250) {
    await house.clock.advance(250)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
