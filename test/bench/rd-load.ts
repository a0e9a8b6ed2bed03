// The load on a directory: registrations of 8 links each and lookups, from one bare socket with so many requests outstanding.
import { createSocket } from 'node:dgram'
import { utf8 } from '#main/base/index.ts'
import { decodeMessage, encodeMessage, OptionNumber, stringOption, uintOption } from '#main/wire/coap/index.ts'

export const LINKS_EACH = 8
/** Endpoints that have a link of one resource type. */
export const HITS = 10
/** Where a directory has its interfaces; segments, decoded. */
export interface DirectoryPaths {
  readonly register: readonly string[]
  readonly lookup: readonly string[]
}

/** Each endpoint's links differ from all others': nothing is gained by having seen them before. */
export function linksOf(endpoint: number): string {
  const links = [`</s/0>;rt="g.${Math.floor(endpoint / HITS)}";if="x.sensor"`]
  for (let index = 1; index < LINKS_EACH; index++) links.push(`</s/${index}>;rt="x.lamp";if="x.actuator";title="${endpoint}.${index}"`)
  return links.join(',')
}

/** Confirmable registrations of the endpoints from `first`, each with a Message ID and a token of its own. */
export function registrations(paths: DirectoryPaths, prefix: string, first: number, count: number): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, index) =>
    encodeMessage({
      type: 'CON',
      code: '0.02',
      messageId: index,
      token: tokenOf(index),
      options: [
        ...paths.register.map((segment) => stringOption(OptionNumber.URI_PATH, segment)),
        uintOption(OptionNumber.CONTENT_FORMAT, 40),
        stringOption(OptionNumber.URI_QUERY, `ep=${prefix}${first + index}`),
        stringOption(OptionNumber.URI_QUERY, `base=coap://${prefix}${first + index}.example`),
      ],
      payload: utf8(linksOf(first + index)),
    }),
  )
}

/** Lookups by resource type, spread over all endpoints; each finds ten links. */
export function lookups(paths: DirectoryPaths, endpoints: number, count: number): readonly Uint8Array[] {
  const types = Math.floor(endpoints / HITS)
  return Array.from({ length: count }, (_, index) =>
    encodeMessage({
      type: 'CON',
      code: '0.01',
      messageId: index,
      token: tokenOf(index),
      options: [
        ...paths.lookup.map((segment) => stringOption(OptionNumber.URI_PATH, segment)),
        stringOption(OptionNumber.URI_QUERY, `rt=g.${(index * 7919) % types}`),
      ],
      payload: new Uint8Array(0),
    }),
  )
}

function tokenOf(index: number): Uint8Array {
  return new Uint8Array([0, 0, index >> 8, index & 0xff])
}

export function isRegistered(answer: Uint8Array): boolean {
  return decodeMessage(answer).code === '2.01'
}

export function hasTenLinks(answer: Uint8Array): boolean {
  const { code, payload } = decodeMessage(answer)
  return code === '2.05' && payload.filter((byte) => byte === 0x3c).length === HITS
}

/** After so many seconds without an answer nobody waits any longer. */
const MOST_STALLS = 10

export interface Load {
  readonly perSecond: number
  readonly p99Ms: number
}

/** Sends the datagrams from a socket of their own, so many outstanding at a time; each answer must be a good one. */
export function load(
  port: number,
  datagrams: readonly Uint8Array[],
  outstanding: number,
  isGood: (answer: Uint8Array) => boolean,
): Promise<Load> {
  const socket = createSocket({ type: 'udp6', recvBufferSize: 1 << 22 })
  const sentMs: number[] = []
  const answered = new Set<number>()
  const latencies: number[] = []
  let watchdog: NodeJS.Timeout | undefined
  let waiting = true
  const run = new Promise<Load>((resolve, reject) => {
    // Never asleep, so that the one who serves slowly does not pay for waking the load up.
    const spin = (): void => {
      if (waiting) setImmediate(spin)
    }
    const sendNext = (): void => {
      const datagram = datagrams[sentMs.length]
      if (datagram === undefined) return
      sentMs.push(performance.now())
      socket.send(datagram, port, '::1')
    }
    let seenAtLastLook = -1
    let stalls = 0
    watchdog = setInterval(() => {
      if (latencies.length === seenAtLastLook) {
        if (++stalls > MOST_STALLS) reject(new Error(`No answer after ${latencies.length} of ${datagrams.length}`))
        // A socket's buffer was full: what was dropped is sent again, as clients do.
        for (const [index, datagram] of datagrams.slice(0, sentMs.length).entries())
          if (!answered.has(index)) socket.send(datagram, port, '::1')
      } else stalls = 0
      seenAtLastLook = latencies.length
    }, 1000)
    const startedMs = performance.now()
    socket.on('message', (answer) => {
      if (!isGood(answer)) {
        // Acknowledged first, answered later: the message that counts is acknowledged in turn.
        if (answer[1] === 0) return
        reject(new Error(`Not the answer that was asked for: ${decodeMessage(answer).code}`))
        return
      }
      const separate = ((answer[0] ?? 0) & 0x30) === 0
      if (separate) socket.send(new Uint8Array([0x60, 0, answer[2] ?? 0, answer[3] ?? 0]), port, '::1')
      const index = ((answer[6] ?? 0) << 8) | (answer[7] ?? 0)
      if (answered.has(index)) return
      answered.add(index)
      latencies.push(performance.now() - (sentMs[index] ?? Number.NaN))
      if (latencies.length < datagrams.length) {
        sendNext()
        return
      }
      const perSecond = (datagrams.length * 1000) / (performance.now() - startedMs)
      resolve({ perSecond, p99Ms: latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length * 0.99)] ?? Number.NaN })
    })
    spin()
    for (let index = 0; index < outstanding; index++) sendNext()
  })
  return run.finally(() => {
    waiting = false
    clearInterval(watchdog)
    socket.close()
  })
}
