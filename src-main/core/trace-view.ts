// Entries of the trace as people read them: a line each, and one in its layers (RFC 7252 §3, RFC 8200 §3, RFC 768, RFC 4443). Pure.
import { decodeUint, formatSocketAddress, toHex, utf8ToText } from '#main/base/index.ts'
import { describeMessage, PKIXCMP } from '#main/services/ra/index.ts'
import { findBlock, methodOfCode, OptionNumber } from '#main/wire/coap/index.ts'
import type { CoapMessage, TraceEvent } from '#main/wire/coap/index.ts'
import { decodeIcmp, decodeIpv6Header, decodeUdp, formatIpv6 } from '#main/wire/ip/index.ts'
import type { TraceDetail, TraceEntryRow, TraceLayer } from '#contract/model.ts'
import { bytesOf } from './trace.ts'
import type { TraceEntry } from './trace.ts'

const UDP = 17
const ICMPV6 = 58
const HEADER_BYTES = 40
const MOST_RELATED = 200
const SHOWN_PAYLOAD = 2000
const SHOWN_LABEL = 120

export function traceRowOf(entry: TraceEntry): TraceEntryRow {
  const { seq, atMs: at, channelId: channel, direction, kind } = entry
  const head = { seq, at, kind, channel, direction, bytes: bytesOf(entry).length, datagram: entry.datagram() ?? null }
  switch (entry.kind) {
    case 'message':
      return { ...head, peer: formatSocketAddress(entry.event.peer), ...messageWords(channel, entry.event) }
    case 'packet':
      return { ...head, ...packetWords(entry.packet, direction), exchange: null }
    case 'frame': {
      const { frame } = entry
      const words = frame.packet === undefined ? { peer: null, note: null } : packetWords(frame.packet, direction)
      const label = `${frame.protocol} ${frame.kind === 'packet' && frame.label === '' ? 'packet' : frame.label}`.slice(0, SHOWN_LABEL)
      const note = frame.kind === 'damaged' ? 'malformed' : frame.redacted ? 'redacted' : words.note
      return { ...head, peer: words.peer, label, note, exchange: null }
    }
  }
}

export function traceDetailOf(entry: TraceEntry, all: readonly TraceEntry[]): TraceDetail {
  const row = traceRowOf(entry)
  return { row, layers: layersOf(entry, row, all), hex: toHex(bytesOf(entry)), related: relatedTo(entry, row, all) }
}

/** Newest-first search is not needed: what belongs together is close together, and the memory is bounded. */
function relatedTo(entry: TraceEntry, row: TraceEntryRow, all: readonly TraceEntry[]): TraceEntryRow[] {
  const related: TraceEntryRow[] = []
  const messageId = messageIdOf(entry)
  for (const other of all) {
    if (other.seq === entry.seq || other.channelId !== entry.channelId) continue
    const isSameDatagram = row.datagram !== null && other.datagram() === row.datagram
    const isSameExchange =
      other.kind === 'message' &&
      ((row.exchange !== null && exchangeOf(other.channelId, other.event) === row.exchange) ||
        (messageId !== undefined && messageIdOf(other) === messageId))
    if (isSameDatagram || isSameExchange) related.push(traceRowOf(other))
    if (related.length >= MOST_RELATED) break
  }
  return related
}

/** Joins a request with an empty acknowledgement or reset, which has no token (RFC 7252 §4.2). */
function messageIdOf(entry: TraceEntry): string | undefined {
  if (entry.kind !== 'message' || entry.event.message === undefined) return undefined
  return `${formatSocketAddress(entry.event.peer)} ${entry.event.message.messageId}`
}

function exchangeOf(channel: string, { message }: TraceEvent): string | null {
  return message === undefined || message.token.length === 0 ? null : `${channel} ${toHex(message.token)}`
}

function messageWords(channel: string, event: TraceEvent): Pick<TraceEntryRow, 'label' | 'note' | 'exchange'> {
  const { message, note, multicast } = event
  return {
    label: message === undefined ? 'no CoAP message' : messageLabel(message).slice(0, SHOWN_LABEL),
    note: note === 'first' ? (multicast ? 'multicast' : null) : note,
    exchange: exchangeOf(channel, event),
  }
}

export function messageLabel(message: CoapMessage): string {
  const { type, code, options } = message
  const method = methodOfCode(code)
  const values = (number: number): string[] =>
    options.filter((option) => option.number === number).map(({ value }) => utf8ToText(value) ?? `0x${toHex(value)}`)
  if (method === undefined) {
    const block = blockText(message)
    return `${type}${code === '0.00' ? '' : ` ${code}`}${block}`
  }
  const path = `/${values(OptionNumber.URI_PATH).map(encodeURIComponent).join('/')}`
  const query = values(OptionNumber.URI_QUERY).join('&')
  return `${type} ${method} ${path}${query === '' ? '' : `?${query}`}${blockText(message)}`
}

function blockText({ options }: CoapMessage): string {
  for (const [name, number] of [
    ['block1', OptionNumber.BLOCK1],
    ['block2', OptionNumber.BLOCK2],
  ] as const) {
    const block = findBlock(options, number)
    if (block !== undefined && block !== 'invalid') return ` ${name} ${block.num}${block.more ? '+' : ''}`
  }
  return ''
}

function packetWords(packet: Uint8Array, direction: TraceEntry['direction']): Pick<TraceEntryRow, 'peer' | 'label' | 'note'> {
  const header = decodeIpv6Header(packet)
  if (typeof header === 'string') return { peer: null, label: header, note: 'malformed' }
  const peer = formatIpv6(direction === 'sent' ? header.destination : header.source)
  const note = header.destination[0] === 0xff ? 'multicast' : null
  return { peer, label: upperLabel(packet, header.nextHeader, HEADER_BYTES + header.payloadLength), note }
}

function upperLabel(packet: Uint8Array, nextHeader: number, end: number): string {
  if (nextHeader === UDP) {
    const udp = decodeUdp(packet, HEADER_BYTES, end)
    return typeof udp === 'string' ? `UDP ${udp}` : `UDP ${udp.sourcePort} > ${udp.destinationPort}`
  }
  if (nextHeader === ICMPV6) {
    const icmp = decodeIcmp(packet, HEADER_BYTES, end)
    return typeof icmp === 'string' ? `ICMPv6 ${icmp}` : `ICMPv6 ${icmp.kind === 'other' || icmp.kind === 'error' ? icmp.type : icmp.kind}`
  }
  return `next header ${nextHeader}`
}

/** From the line upwards; the layers above or below come from the entries of the same datagram. */
function layersOf(entry: TraceEntry, row: TraceEntryRow, all: readonly TraceEntry[]): TraceLayer[] {
  const same = row.datagram === null ? [] : all.filter((other) => other.channelId === entry.channelId && other.datagram() === row.datagram)
  const parts = same.length === 0 ? [entry] : same
  const frame = parts.find((part) => part.kind === 'frame')
  const packet = parts.find((part) => part.kind === 'packet')?.packet ?? frame?.frame.packet
  const message = parts.find((part) => part.kind === 'message')
  return [
    ...(frame === undefined ? [] : [frameLayer(frame)]),
    ...(packet === undefined ? [] : packetLayers(packet)),
    ...(message === undefined ? [] : [messageLayer(message.event), ...cmpLayers(message.event)]),
  ]
}

type Field = TraceLayer['fields'][number]
const field = (name: string, value: string | number): Field => ({ name, value: String(value) })

function frameLayer({ frame }: Extract<TraceEntry, { readonly kind: 'frame' }>): TraceLayer {
  return {
    name: frame.protocol === 'spinel' ? 'Spinel' : 'SLIP',
    fields: [
      field('content', frame.kind),
      ...(frame.label === '' ? [] : [field('meaning', frame.label)]),
      field('bytes on the line', frame.wire.length),
      ...(frame.redacted ? [field('value', 'not shown: it is a key')] : []),
    ],
  }
}

function packetLayers(packet: Uint8Array): TraceLayer[] {
  const header = decodeIpv6Header(packet)
  if (typeof header === 'string') return [{ name: 'IPv6', fields: [field('fault', header)] }]
  const { source, destination, hopLimit, payloadLength, trafficClass, nextHeader } = header
  const ip: TraceLayer = {
    name: 'IPv6',
    fields: [
      field('source', formatIpv6(source)),
      field('destination', formatIpv6(destination)),
      field('hop limit', hopLimit),
      field('payload', `${payloadLength} bytes`),
      field('traffic class', trafficClass),
      field('next header', nextHeader),
    ],
  }
  const end = HEADER_BYTES + payloadLength
  if (nextHeader === UDP) {
    const udp = decodeUdp(packet, HEADER_BYTES, end)
    if (typeof udp === 'string') return [ip, { name: 'UDP', fields: [field('fault', udp)] }]
    const fields = [
      field('source port', udp.sourcePort),
      field('destination port', udp.destinationPort),
      field('payload', `${udp.payload.length} bytes`),
    ]
    return [ip, { name: 'UDP', fields }]
  }
  return nextHeader === ICMPV6 ? [ip, { name: 'ICMPv6', fields: [field('message', upperLabel(packet, nextHeader, end))] }] : [ip]
}

function messageLayer({ message, datagram, note }: TraceEvent): TraceLayer {
  if (message === undefined) return { name: 'CoAP', fields: [field('fault', 'no message'), field('bytes', datagram.length)] }
  const { type, code, messageId, token, options, payload } = message
  return {
    name: 'CoAP',
    fields: [
      field('type', type),
      field('code', methodOfCode(code) ?? code),
      field('message id', messageId),
      field('token', token.length === 0 ? '–' : toHex(token)),
      ...options.map(({ number, value }) => field(optionName(number), optionText(number, value))),
      ...(payload.length === 0 ? [] : [field('payload', payloadText(payload))]),
      ...(note === 'first' ? [] : [field('note', note)]),
    ],
  }
}

/** A CMP message in one piece (RFC 9482 §2.3); what blocks carry of one says nothing by itself. */
function cmpLayers({ message }: TraceEvent): TraceLayer[] {
  const format = message?.options.find(({ number }) => number === OptionNumber.CONTENT_FORMAT)?.value
  if (message === undefined || format === undefined || decodeUint(format) !== PKIXCMP || blockText(message) !== '') return []
  const described = describeMessage(message.payload)
  if (typeof described !== 'object' || described === null) return []
  const fields = Object.entries(described)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => field(name, (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, SHOWN_PAYLOAD)))
  return [{ name: 'CMP', fields }]
}

const OPTION_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(OptionNumber).map(([name, number]) => [number, name.toLowerCase().replaceAll('_', '-')]),
)
const NUMBERS: ReadonlySet<number> = new Set([
  OptionNumber.OBSERVE,
  OptionNumber.URI_PORT,
  OptionNumber.CONTENT_FORMAT,
  OptionNumber.MAX_AGE,
  OptionNumber.ACCEPT,
  OptionNumber.SIZE1,
  OptionNumber.SIZE2,
  OptionNumber.HOP_LIMIT,
])
const TEXTS: ReadonlySet<number> = new Set([
  OptionNumber.URI_HOST,
  OptionNumber.URI_PATH,
  OptionNumber.URI_QUERY,
  OptionNumber.LOCATION_PATH,
  OptionNumber.LOCATION_QUERY,
  OptionNumber.PROXY_URI,
  OptionNumber.PROXY_SCHEME,
])

function optionName(number: number): string {
  return OPTION_NAMES.get(number) ?? `option ${number}`
}

function optionText(number: number, value: Uint8Array): string {
  if (NUMBERS.has(number)) return String(decodeUint(value))
  if (number === OptionNumber.BLOCK1 || number === OptionNumber.BLOCK2) {
    const block = findBlock([{ number, value }], number)
    if (block !== undefined && block !== 'invalid') return `${block.num}, ${block.more ? 'more follow' : 'the last'}`
  }
  const text = TEXTS.has(number) ? utf8ToText(value) : undefined
  return text ?? (value.length === 0 ? 'present' : toHex(value))
}

function payloadText(payload: Uint8Array): string {
  const text = utf8ToText(payload)
  const isPrintable = text !== undefined && !/[^\P{Cc}\n\t]/u.test(text)
  return (isPrintable ? text : toHex(payload)).slice(0, SHOWN_PAYLOAD)
}
