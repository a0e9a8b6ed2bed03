// Which options of a request or response a proxy consumes, passes on, or cannot pass on (RFC 7252 §5.4.2, §5.7.1; RFC 8768 §3).
import { findOptions, isCritical, isUnsafe, OptionNumber, uintOption, type CoapOption } from '#main/wire/coap/index.ts'
import type { ProxyOptionNumbers } from './options.ts'

/** Options of one hop, which the proxy consumes: the URI is written anew, bodies are put together, and Observe is not established. */
const CONSUMED_OF_REQUEST: ReadonlySet<number> = new Set<number>([
  OptionNumber.URI_HOST,
  OptionNumber.URI_PORT,
  OptionNumber.URI_PATH,
  OptionNumber.URI_QUERY,
  OptionNumber.OBSERVE,
  OptionNumber.MAX_AGE,
  OptionNumber.HOP_LIMIT,
  OptionNumber.BLOCK1,
  OptionNumber.BLOCK2,
  OptionNumber.SIZE1,
  OptionNumber.SIZE2,
  OptionNumber.REQUEST_TAG,
  OptionNumber.PROXY_URI,
  OptionNumber.PROXY_SCHEME,
  OptionNumber.PROXY_CRI,
  OptionNumber.PROXY_SCHEME_NUMBER,
  OptionNumber.NO_RESPONSE,
])

const CONSUMED_OF_RESPONSE: ReadonlySet<number> = new Set<number>([
  OptionNumber.OBSERVE,
  OptionNumber.BLOCK1,
  OptionNumber.BLOCK2,
  OptionNumber.SIZE1,
  OptionNumber.SIZE2,
])

/** What goes on to the server, Hop-Limit aside; undefined where an option is unknown and unsafe to forward, which is 4.02. */
export function optionsToServer(numbers: ProxyOptionNumbers, options: readonly CoapOption[]): readonly CoapOption[] | undefined {
  const own: readonly number[] = [numbers.multicastTimeout, numbers.multicastSignaling, numbers.groupEtag, numbers.replyFrom]
  const passed = options.filter((option) => !CONSUMED_OF_REQUEST.has(option.number) && !own.includes(option.number))
  return passed.some((option) => isUnsafe(option.number)) ? undefined : passed
}

/** What goes back to the client; undefined where an option is unknown and unsafe to forward, which is 5.02. */
export function optionsToClient(numbers: ProxyOptionNumbers, options: readonly CoapOption[]): readonly CoapOption[] | undefined {
  const passed = options.filter((option) => !CONSUMED_OF_RESPONSE.has(option.number))
  const known = (number: number): boolean => number === OptionNumber.MAX_AGE || number === numbers.responseForwarding
  return passed.some((option) => isUnsafe(option.number) && !known(option.number)) ? undefined : passed
}

/** The Hop-Limit for the next hop; `invalid` is answered 4.00, `exhausted` 5.08 (RFC 8768 §3). */
export function nextHopLimit(options: readonly CoapOption[], initial: number): CoapOption | 'invalid' | 'exhausted' {
  const found = findOptions(options, OptionNumber.HOP_LIMIT)
  const [option] = found
  if (option === undefined) return uintOption(OptionNumber.HOP_LIMIT, initial)
  const value = option.value[0]
  if (found.length > 1 || option.value.length !== 1 || value === undefined || value === 0) return 'invalid'
  return value === 1 ? 'exhausted' : uintOption(OptionNumber.HOP_LIMIT, value - 1)
}

/** Whether a response from elsewhere has a critical option that neither this proxy nor CoAP itself knows. */
export function hasUnknownCritical(options: readonly CoapOption[], known: readonly number[]): boolean {
  return options.some((option) => isCritical(option.number) && !known.includes(option.number))
}
