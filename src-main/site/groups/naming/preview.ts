// What a group looks like on the wire: its URI, the options of a request, and the IEEE 802.15.4 frames that it takes
// (draft-ietf-core-groupcomm-bis-18 §2.2.1.2, §3.9.2; RFC 6282 §3.1).
import { parseAddress } from '#main/wire/ip/index.ts'
import {
  codeOfMethod,
  compressedHeaderBytes,
  encodeMessage,
  fitFrame,
  GROUP_OSCORE_BYTES,
  OptionNumber,
  requestOfTarget,
  stringOption,
  type CoapOption,
  type FrameFit,
} from '#main/wire/coap/index.ts'
import { utf8, utf8ToText } from '#main/base/index.ts'
import type { NamingPreview, NamingSettings } from '#contract/model.ts'
import { groupUriOf, namedTarget, namingFault, wireNameOf, type AddressedGroup } from './naming.ts'

/** A request as an installer's devices send it: one resource and a small payload. */
const SAMPLE_PATH = ['state']
const SAMPLE_PAYLOAD = utf8('{"on":true}')
const TOKEN_BYTES = 4
/** An extended source address, as a device that joined a moment ago has. */
const SOURCE_BYTES = 8

const OPTION_NAMES = new Map<number, string>([
  [OptionNumber.URI_HOST, 'Uri-Host'],
  [OptionNumber.URI_PATH, 'Uri-Path'],
  [OptionNumber.URI_QUERY, 'Uri-Query'],
])

export function previewOf(naming: NamingSettings, group: AddressedGroup): NamingPreview {
  const failure = namingFault(naming, group) ?? null
  const options = failure === null ? optionsOf(naming, group) : []
  const messageBytes = bytesOf(failure === null ? options : plainOptions())
  const fit = fitOf(group.address, messageBytes)
  const secured = messageBytes + GROUP_OSCORE_BYTES.groupMode
  return {
    method: naming.method,
    uri: groupUriOf(naming, group),
    wireName: naming.method === 'none' ? '' : wireNameOf(naming, group),
    failure,
    options: options.map(
      ({ number, value }) => `${OPTION_NAMES.get(number) ?? `Option ${number}`}: ${JSON.stringify(utf8ToText(value) ?? '')}`,
    ),
    messageBytes,
    frames: fit.frames,
    securedBytes: secured,
    securedFrames: fitOf(group.address, secured).frames,
    roomBytes: fit.roomBytes,
    nameBytes: messageBytes - bytesOf(plainOptions()),
  }
}

/** Frames that a request to the group takes, and those that it would take under the shortest name there is. */
export function framesOf(naming: NamingSettings, group: AddressedGroup, secured: boolean): { readonly now: number; readonly best: number } {
  const frames = (of: AddressedGroup): number => {
    if (namingFault(naming, of) !== undefined) return 0
    return fitOf(of.address, bytesOf(optionsOf(naming, of)) + (secured ? GROUP_OSCORE_BYTES.groupMode : 0)).frames
  }
  return { now: frames(group), best: frames({ ...group, name: 'x' }) }
}

function optionsOf(naming: NamingSettings, group: AddressedGroup): readonly CoapOption[] {
  const { path, query, options } = requestOfTarget(namedTarget(naming, group, { path: SAMPLE_PATH, query: [], options: [] }))
  return [
    ...options,
    ...path.map((segment) => stringOption(OptionNumber.URI_PATH, segment)),
    ...query.map((part) => stringOption(OptionNumber.URI_QUERY, part)),
  ].sort((a, b) => a.number - b.number)
}

function plainOptions(): readonly CoapOption[] {
  return SAMPLE_PATH.map((segment) => stringOption(OptionNumber.URI_PATH, segment))
}

function bytesOf(options: readonly CoapOption[]): number {
  return encodeMessage({
    type: 'NON',
    code: codeOfMethod('PUT'),
    messageId: 0,
    token: new Uint8Array(TOKEN_BYTES),
    options,
    payload: SAMPLE_PAYLOAD,
  }).length
}

function fitOf(address: string, coapBytes: number): FrameFit {
  const bytes = parseAddress(address)
  return fitFrame(coapBytes, bytes?.length === 16 ? { headerBytes: compressedHeaderBytes(bytes, SOURCE_BYTES) } : {})
}
