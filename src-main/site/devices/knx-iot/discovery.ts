// Who answers a search of the KNX IoT Point API: queries of `/.well-known/core`, and the endpoint names in the answers.
import type { ClientRequest, Link } from '#main/wire/coap/index.ts'
import { formatInstallationId, NO_INDIVIDUAL_ADDRESS, parseSerialNumber, type InstallationId, type SerialNumber } from './addresses.ts'

export interface KnxEndpointName {
  readonly serialNumber: SerialNumber
  /** Undefined until it was given one. */
  readonly individualAddress: number | undefined
  /** Undefined where it belongs to no installation yet. */
  readonly installation: InstallationId | undefined
}

export type KnxSearch =
  | { readonly kind: 'all' }
  | { readonly kind: 'serial-number'; readonly serialNumber: SerialNumber }
  | { readonly kind: 'programming-mode' }
  | { readonly kind: 'individual-address'; readonly installation: InstallationId; readonly individualAddress: number }
  /** Those with a datapoint bound to it; only loaded devices answer. */
  | { readonly kind: 'group-address'; readonly groupAddress: number }

/** Goes to All CoAP Nodes, where every device listens, or to one device. Devices that do not match stay silent. */
export function searchRequest(search: KnxSearch): ClientRequest {
  return { method: 'GET', path: ['.well-known', 'core'], query: queryOf(search) }
}

function queryOf(search: KnxSearch): readonly string[] {
  switch (search.kind) {
    case 'all':
      return ['ep=knx://sn.*']
    case 'serial-number':
      return [`ep=knx://sn.${search.serialNumber}`]
    case 'programming-mode':
      return ['if=urn:knx:if.pm']
    case 'individual-address':
      return [`ep=knx://ia.${formatInstallationId(search.installation)}.${search.individualAddress.toString(16)}`]
    case 'group-address':
      // The older stack reads the number beyond the end of the option: another query behind it ends it.
      return [`d=urn:knx:g.s.${search.groupAddress}`, 'x=1']
  }
}

const SERIAL = /^knx:\/\/sn\.([0-9a-f]{12})$/
const ADDRESS = /^knx:\/\/ia\.([0-9a-f]{1,10})\.([0-9a-f]{1,4})$/

/** Of `<>;ep="knx://sn.… knx://ia.<installation>.<address>"`; undefined where no link names such a device. */
export function endpointNameOf(links: readonly Link[]): KnxEndpointName | undefined {
  for (const { attributes } of links) {
    const value = attributes.find(({ name }) => name === 'ep')?.value
    const found = parseEndpointName(value ?? '')
    if (found !== undefined) return found
  }
  return undefined
}

export function parseEndpointName(text: string): KnxEndpointName | undefined {
  const words = text.toLowerCase().split(' ')
  const serial = words.map((word) => SERIAL.exec(word)?.[1]).find((digits) => digits !== undefined)
  const serialNumber = serial === undefined ? undefined : parseSerialNumber(serial)
  if (serialNumber === undefined) return undefined
  const [, installation = '0', address = 'ffff'] = words.map((word) => ADDRESS.exec(word)).find((match) => match !== null) ?? []
  const individualAddress = Number.parseInt(address, 16)
  const id = BigInt(`0x${installation}`)
  return {
    serialNumber,
    individualAddress: individualAddress === NO_INDIVIDUAL_ADDRESS ? undefined : individualAddress,
    installation: id === 0n ? undefined : id,
  }
}
