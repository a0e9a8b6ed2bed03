// How KNX IoT devices of an open site are reached: where they answer, and the OSCORE contexts of the site's keys for them and their groups.
import { AppError, concatBytes, equalBytes, toAppError, utf8, type Logger, type SocketAddress } from '#main/base/index.ts'
import {
  endpointNameOf,
  searchRequest,
  senderContextId,
  type DiscoveryChannel,
  type InstallationId,
  type KnxEndpointName,
  type KnxReach,
  type SerialNumber,
} from '#main/site/devices/index.ts'
import { parseLinkFormat, type ClientRequest, type ClientResponse, type CoapClient, type RequestSecurity } from '#main/wire/coap/index.ts'
import { UnicastContext, type OscoreLayer, type SequenceStore } from '#main/wire/oscore/index.ts'
import { TOOL_ADDRESS } from './knx-book.ts'
import type { KnxKeys, KnxKeyStore } from './knx-keys.ts'

export interface KnxReachPorts {
  readonly channels: () => readonly DiscoveryChannel[]
  /** Throws `security.locked` where there is no keyring. */
  readonly keys: () => KnxKeyStore
  readonly installation: () => InstallationId
  readonly layer: OscoreLayer
  readonly sequences: SequenceStore
  readonly logger: Logger
}

/** A device as it answered a search. */
export interface KnxFound {
  readonly name: KnxEndpointName
  readonly client: CoapClient
  readonly at: SocketAddress
}

/** So long answers to a search are waited for: devices spread theirs over DEFAULT_LEISURE (RFC 7252 §8.2). */
const SEARCH_MS = 6000
/** For one device alone: who was asked a moment before answers in the period after (groupcomm-bis §3.6). It ends with the answer. */
const FIND_MS = 11_000
/** A device that was found before is asked there first. */
const KNOWN_MS = 3000

export interface KnxReachBook {
  /** Asks everywhere; ends early when the one that is looked for has answered. */
  ask(request: ClientRequest, wanted?: SerialNumber): Promise<ReadonlyMap<SerialNumber, KnxFound>>
  /** Throws `knx.not-found`. `hint` is where it was last. */
  find(serialNumber: SerialNumber, hint?: { readonly client: CoapClient; readonly at: SocketAddress }): Promise<KnxFound>
  /** With the site's keys, or without any. Throws `knx.not-opened`, `knx.not-found`, `security.locked`. */
  reach(
    device: { readonly serialNumber: SerialNumber; readonly unsecured: boolean },
    hint?: { readonly client: CoapClient; readonly at: SocketAddress },
  ): Promise<KnxReach>
  /** `fresh` for keys that were drawn this moment: only then do their numbers begin. */
  secured(name: string, keys: KnxKeys, received: 'fresh' | 'unknown', idContext?: Uint8Array): RequestSecurity
  /** Protects requests to a device by the site's keys for it. */
  managementOf(serialNumber: SerialNumber, own: KnxKeys, received: 'fresh' | 'unknown'): RequestSecurity
  /** Protects the tool's own messages to a group address. */
  groupSecurity(groupAddress: number): RequestSecurity
  forget(name: string): void
}

export function createKnxReach({ channels, keys, installation, layer, sequences, logger }: KnxReachPorts): KnxReachBook {
  /** Where devices that were worked with have answered. */
  const places = new Map<SerialNumber, KnxFound>()
  /** A context that is in use is not made anew: that would cost numbers, and the answers that are under way. */
  const contexts = new Map<string, { readonly material: Uint8Array; readonly security: RequestSecurity }>()

  async function ask(request: ClientRequest, wanted?: SerialNumber): Promise<ReadonlyMap<SerialNumber, KnxFound>> {
    const found = new Map<SerialNumber, KnxFound>()
    const stop = new AbortController()
    const deadlineMs = wanted === undefined ? SEARCH_MS : FIND_MS
    const listen = async ({ client }: DiscoveryChannel, to: SocketAddress): Promise<void> => {
      try {
        for await (const answer of client.groupRequest(to, request, { deadlineMs, signal: stop.signal })) {
          const name = nameIn(answer)
          if (name === undefined) continue
          found.set(name.serialNumber, { name, client, at: answer.source })
          if (name.serialNumber === wanted) stop.abort()
        }
      } catch (thrown) {
        if (!stop.signal.aborted) logger.warn({ code: toAppError(thrown).code, channel: client.channelId }, 'a KNX search failed')
      }
    }
    await Promise.all(channels().flatMap((channel) => channel.allNodes.map((to) => listen(channel, to))))
    return found
  }

  async function find(serialNumber: SerialNumber, hint?: { readonly client: CoapClient; readonly at: SocketAddress }): Promise<KnxFound> {
    const request = searchRequest({ kind: 'serial-number', serialNumber })
    const before = places.get(serialNumber) ?? hint
    const found =
      (before === undefined ? undefined : await thereStill(serialNumber, before, request)) ??
      (await ask(request, serialNumber)).get(serialNumber)
    if (found === undefined) {
      places.delete(serialNumber)
      throw new AppError('knx.not-found', `No device with the serial number ${serialNumber} answers`, { retryable: true })
    }
    places.set(serialNumber, found)
    return found
  }

  async function thereStill(
    serialNumber: SerialNumber,
    { client, at }: { readonly client: CoapClient; readonly at: SocketAddress },
    request: ClientRequest,
  ): Promise<KnxFound | undefined> {
    try {
      const name = nameIn(await client.request(at, request, { timeoutMs: KNOWN_MS }))
      return name?.serialNumber === serialNumber ? { name, client, at } : undefined
    } catch {
      // It may have another address now.
      return undefined
    }
  }

  function secured(name: string, own: KnxKeys, received: 'fresh' | 'unknown', idContext?: Uint8Array): RequestSecurity {
    const { senderId, masterSecret } = own
    const material = concatBytes(senderId, masterSecret, idContext ?? new Uint8Array(0))
    const known = contexts.get(name)
    if (known !== undefined && equalBytes(known.material, material)) return known.security
    layer.remove(name)
    // Of no bytes at the device; nobody answers to a group's.
    const recipientId = idContext === undefined ? new Uint8Array(0) : utf8('-')
    const input = { name, masterSecret, senderId, recipientId, ...(idContext === undefined ? {} : { idContext }) }
    layer.add(new UnicastContext(input, { sequences, received }))
    const security = layer.to(name)
    contexts.set(name, { material, security })
    return security
  }

  function managementOf(serialNumber: SerialNumber, own: KnxKeys, received: 'fresh' | 'unknown'): RequestSecurity {
    return secured(`knx ${serialNumber}`, own, received)
  }

  return {
    ask,
    find,
    async reach({ serialNumber, unsecured }, hint) {
      const known = unsecured ? undefined : keys().device(serialNumber)
      if (!unsecured && known === undefined)
        throw new AppError('knx.not-opened', 'The site has no keys for this device: open it with the password of its label first')
      const { client, at } = await find(serialNumber, hint)
      return known === undefined ? { client, at } : { client, at, security: managementOf(serialNumber, known, 'unknown') }
    },
    secured,
    managementOf,
    groupSecurity(groupAddress) {
      const { isNew, ...shared } = keys().group(groupAddress)
      const context = senderContextId(installation(), TOOL_ADDRESS)
      return secured(`knx group ${groupAddress}`, shared, isNew ? 'fresh' : 'unknown', context)
    },
    forget(name) {
      contexts.delete(name)
      layer.remove(name)
    },
  }
}

function nameIn(answer: ClientResponse): KnxEndpointName | undefined {
  try {
    return endpointNameOf(parseLinkFormat(new TextDecoder().decode(answer.payload.subarray(0, 4096))))
  } catch {
    // Others answer such searches too.
    return undefined
  }
}
