// What somebody who answered or registered is: its links, the profile that knows such links, and who it says it is.
import { AppError, toAppError, utf8ToText, type Logger, type SocketAddress } from '#main/base/index.ts'
import { parseLinkFormat, type ClientResponse, type CoapClient, type Link } from '#main/wire/coap/index.ts'
import type { Failure } from '#contract/model.ts'
import type { Hearing } from './hearing.ts'
import type { DeviceProfile } from './profile.ts'

/** Somebody to recognise. */
export interface Stranger {
  readonly source: Hearing['source']
  readonly endpointName: string | null
  readonly at: SocketAddress | null
  readonly channelId: string | null
  /** Undefined where nobody serves the channel. */
  readonly client: CoapClient | undefined
  /** Link-format text that is known already; undefined where it has to be asked for. */
  readonly links: string | undefined
}

/** Longest link-format text that is kept of one device. */
const LONGEST_LINKS = 64 * 1024
const BLOCK2 = 23
/** Three retransmissions (RFC 7252 §4.8); who does not answer by then must not hold up the others for all of MAX_TRANSMIT_WAIT. */
const ANSWER_WITHIN_MS = 25_000

/** Finds out as much as can be had. Only a cancellation is thrown; every other failure is part of the hearing. */
export async function recognise(
  stranger: Stranger,
  profiles: readonly DeviceProfile[],
  signal: AbortSignal,
  logger: Logger,
): Promise<Hearing> {
  const { at } = stranger
  const client = stranger.client === undefined ? undefined : impatient(stranger.client)
  let failure: Failure | undefined
  let links = stranger.links
  let profile = profileFor(links, profiles)
  if (profile === undefined && client !== undefined && at !== null) {
    // What was registered or came by multicast may be a part; the device itself has all of its links.
    try {
      const read = await readLinks(client, at, signal)
      // A commissioning tool that registers for others answers with an empty list of its own.
      if (read !== undefined && read !== '') links = read
      profile = profileFor(links, profiles, true)
    } catch (thrown) {
      failure = failureOf(thrown, signal)
    }
  }
  let identity: Hearing['identity']
  if (profile !== undefined && client !== undefined && at !== null) {
    try {
      identity = await profile.readIdentity({ client, at }, signal)
    } catch (thrown) {
      failure = failureOf(thrown, signal)
    }
  }
  if (failure !== undefined) logger.info({ code: failure.code, endpoint: stranger.endpointName }, 'A device could not be identified')
  const { source, endpointName, channelId } = stranger
  return { source, at, channelId, endpointName, identity, profileId: profile?.id ?? null, links, failure }
}

/** The link-format text of an answer, or undefined where it is not one or only its first block. */
export function linksOf(response: ClientResponse): string | undefined {
  if (response.code !== '2.05' || response.payload.length > LONGEST_LINKS || hasMoreBlocks(response)) return undefined
  const text = utf8ToText(response.payload)
  return text !== undefined && parsed(text) !== undefined ? text : undefined
}

async function readLinks(client: CoapClient, at: SocketAddress, signal: AbortSignal): Promise<string | undefined> {
  return linksOf(await client.request(at, { method: 'GET', path: ['.well-known', 'core'] }, { signal }))
}

/** The client with a shorter patience. */
function impatient(client: CoapClient): CoapClient {
  return {
    channelId: client.channelId,
    request: (to, request, options) => client.request(to, request, { timeoutMs: ANSWER_WITHIN_MS, ...options }),
    groupRequest: (to, request, options) => client.groupRequest(to, request, options),
    groupRequestBytes: (request) => client.groupRequestBytes(request),
  }
}

function profileFor(text: string | undefined, profiles: readonly DeviceProfile[], isWhole = false): DeviceProfile | undefined {
  const links = text === undefined ? undefined : parsed(text)
  if (links === undefined) return undefined
  const named = profiles.find((profile) => profile.isFallback !== true && profile.recognises(links))
  return named ?? (isWhole ? profiles.find((profile) => profile.isFallback === true && profile.recognises(links)) : undefined)
}

function parsed(text: string): readonly Link[] | undefined {
  try {
    return parseLinkFormat(text)
  } catch (thrown) {
    if (thrown instanceof AppError) return undefined
    throw thrown
  }
}

/** RFC 7959 §2.2: the fourth bit of a Block2 value says that more blocks follow. */
function hasMoreBlocks(response: ClientResponse): boolean {
  const last = response.options.find(({ number }) => number === BLOCK2)?.value.at(-1)
  return last !== undefined && (last & 8) !== 0
}

function failureOf(thrown: unknown, signal: AbortSignal): Failure {
  if (signal.aborted) throw thrown
  const { code, message, retryable, details } = toAppError(thrown)
  return { code, message, retryable, details: { ...details } }
}
