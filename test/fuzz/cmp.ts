// Mutated CMP messages against the codec and against a whole authority: a value or a typed refusal, in bounded time and memory, and never a certificate.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError, concatBytes, equalBytes, seededRandom, type Random } from '#main/base/index.ts'
import { encodeHeader } from '../../src-main/services/ra/cmp/header.ts'
import { computeMac } from '../../src-main/services/ra/cmp/mac.ts'
import { assembleMessage, encodeMessage, protectedPart, readMessage } from '../../src-main/services/ra/cmp/message.ts'
import { der, integer, octetString, Oid, oid, sequence } from '../../src-main/services/ra/der/index.ts'
import { bySecret, createManufacturer, openSite, SECRET, VECTORS, type Site } from '../services/ra/harness.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

export interface CmpFuzzOptions {
  readonly messages: number
  readonly seed: number
  /** Of so many messages one goes to the authority. */
  readonly handleEvery: number
  readonly onProgress?: (done: number) => void
}

export interface CmpFuzzReport {
  readonly faults: readonly string[]
  readonly read: number
  readonly refused: number
  readonly handled: number
  readonly failInfos: Readonly<Record<string, number>>
  /** Of processor time. */
  readonly slowestMs: number
  readonly heapGrowthBytes: number
}

/** One message must not keep the processor longer than this; what a busy machine lets it wait does not count. */
const SLOW_MS = 2000
const CHEAP_MAC = {
  algorithm: Oid.passwordBasedMac,
  parameters: sequence(octetString(new Uint8Array(8)), sequence(oid(Oid.sha256)), integer(100), sequence(oid(Oid.hmacWithSha256))),
}

export function loadMessages(): readonly Uint8Array[] {
  return (readdirSync(VECTORS, { recursive: true }) as string[])
    .filter((name) => name.endsWith('.der'))
    .sort()
    .map((name) => new Uint8Array(readFileSync(join(VECTORS, name))))
}

export async function fuzzCmp({ messages, seed, handleEvery, onProgress }: CmpFuzzOptions): Promise<CmpFuzzReport> {
  const random = seededRandom(seed)
  const corpus = loadMessages()
  const trees = corpus.map((bytes) => parse(bytes, 0))
  const parts = trees.flatMap((tree) => flatten(tree))
  const clock = new VirtualClock(Date.UTC(2026, 10, 20, 13))
  // The clock is not what is tried here.
  const settings = { messageTimeWindowS: 1e9 }
  const site = await openSite({ clock, ra: { settings, manufacturerAnchors: [createManufacturer(clock.now()).root.certificate.bytes] } })
  await site.desk.preRegister([{ reference: 'fuzz', secret: SECRET }], 'fuzz')
  const faults: string[] = []
  const fault = (what: string, bytes: Uint8Array): void => {
    if (faults.length < 50) faults.push(`${what}: ${Buffer.from(bytes).toString('hex').slice(0, 4000)}`)
  }
  const failInfos: Record<string, number> = {}
  let [read, refused, handled, slowestMs] = [0, 0, 0, 0]
  const heapBefore = process.memoryUsage().heapUsed
  for (let done = 0; done < messages; done++) {
    const bytes =
      random.below(3) === 0 ? spoil(corpus[random.below(corpus.length)]!, random) : graft(trees[random.below(trees.length)]!, parts, random)
    const before = process.cpuUsage()
    try {
      const message = readMessage(bytes)
      read++
      if (!equalBytes(encodeMessage(message), bytes) && random.below(50) === 0) roundTrip(bytes, fault)
    } catch (thrown) {
      refused++
      if (!(thrown instanceof AppError) || thrown.code !== 'der.invalid') fault(`the reader threw ${String(thrown)}`, bytes)
    }
    if (done % handleEvery === 0) {
      handled++
      await handle(site, random.below(2) === 0 ? bytes : await signedAnew(bytes, random), failInfos, fault)
    }
    const { user, system } = process.cpuUsage(before)
    slowestMs = Math.max(slowestMs, (user + system) / 1000)
    if (done % 100_000 === 0) onProgress?.(done)
  }
  if (slowestMs > SLOW_MS) faults.push(`a message took ${Math.round(slowestMs)} ms of processor time`)
  if (site.desk.certificates({ limit: 1 }).length > 0) faults.push('a certificate was issued')
  const heapGrowthBytes = process.memoryUsage().heapUsed - heapBefore
  site.authority.close()
  site.ca.close()
  return { faults, read, refused, handled, failInfos, slowestMs, heapGrowthBytes }
}

/** What is read says the same when it is written and read again, even where the writer chooses another form. */
function roundTrip(bytes: Uint8Array, fault: (what: string, bytes: Uint8Array) => void): void {
  const again = encodeMessage(readMessage(bytes))
  try {
    if (!equalBytes(encodeMessage(readMessage(again)), again)) fault('it is written differently each time', bytes)
  } catch (thrown) {
    fault(`what was written cannot be read: ${String(thrown)}`, bytes)
  }
}

/** The same body under a protection that is right, so that it gets past the doors. */
async function signedAnew(bytes: Uint8Array, random: Random): Promise<Uint8Array> {
  try {
    const { header, bodyBytes, extraCerts } = readMessage(bytes)
    const protector = bySecret('fuzz')
    if (protector.kind !== 'mac') return bytes
    const headerBytes = encodeHeader({
      ...header,
      pvno: 2,
      transactionID: random.bytes(16),
      senderNonce: random.bytes(16),
      protectionAlg: CHEAP_MAC,
      senderKID: protector.reference,
    })
    const protection = await computeMac(CHEAP_MAC, protector.secret, protectedPart({ headerBytes, bodyBytes }))
    return assembleMessage({ headerBytes, bodyBytes, protection, extraCerts })
  } catch {
    return bytes
  }
}

async function handle(
  site: Site,
  bytes: Uint8Array,
  failInfos: Record<string, number>,
  fault: (what: string, bytes: Uint8Array) => void,
): Promise<void> {
  try {
    const answer = await site.authority.handle(bytes, { source: 'fuzz' })
    const { body } = readMessage(answer.bytes)
    const name = answer.failInfo ?? body.type
    failInfos[name] = (failInfos[name] ?? 0) + 1
    if (answer.failInfo === 'systemFailure') fault('the authority failed', bytes)
  } catch (thrown) {
    fault(`the authority threw ${String(thrown)}`, bytes)
  }
}

// ---- Mutations ---------------------------------------------------------------------------------------------------

interface Tree {
  readonly tag: number
  readonly children: readonly Tree[] | undefined
  readonly content: Uint8Array
}

const MAX_DEPTH = 14

function parse(bytes: Uint8Array, depth: number): Tree {
  const tag = bytes[0] ?? 0
  const { start, end } = spanOf(bytes, 0)
  const content = bytes.subarray(start, end)
  if ((tag & 0x20) === 0 || depth > MAX_DEPTH) return { tag, children: undefined, content }
  const children: Tree[] = []
  for (let at = 0; at < content.length;) {
    const span = spanOf(content, at)
    children.push(parse(content.subarray(at, span.end), depth + 1))
    at = span.end
  }
  return { tag, children, content }
}

function spanOf(bytes: Uint8Array, at: number): { readonly start: number; readonly end: number } {
  const first = bytes[at + 1] ?? 0
  if (first < 128) return { start: at + 2, end: at + 2 + first }
  let length = 0
  for (let index = 0; index < (first & 127); index++) length = length * 256 + (bytes[at + 2 + index] ?? 0)
  const start = at + 2 + (first & 127)
  return { start, end: start + length }
}

function write({ tag, children, content }: Tree): Uint8Array {
  return children === undefined ? der(tag, content) : der(tag, ...children.map(write))
}

function flatten(tree: Tree): Tree[] {
  return [tree, ...(tree.children ?? []).flatMap(flatten)]
}

/** One to three changes of the structure: the lengths stay right, so that what reads it gets deep into it. */
function graft(tree: Tree, parts: readonly Tree[], random: Random): Uint8Array {
  let changed = tree
  for (let left = 1 + random.below(3); left > 0; left--) changed = graftOnce(changed, parts, random)
  return write(changed)
}

function graftOnce(tree: Tree, parts: readonly Tree[], random: Random): Tree {
  const { children } = tree
  if (children !== undefined && children.length > 0 && random.below(8) !== 0) {
    const index = random.below(children.length)
    return { ...tree, children: children.map((child, at) => (at === index ? graftOnce(child, parts, random) : child)) }
  }
  const other = parts[random.below(parts.length)] ?? tree
  switch (random.below(8)) {
    case 0:
      return other
    case 1:
      return { ...tree, tag: other.tag }
    case 2:
      return { ...tree, children: undefined, content: random.bytes(random.below(40)) }
    case 3:
      return { ...tree, children: undefined, content: new Uint8Array(0) }
    case 4:
      return children === undefined ? { ...tree, content: flip(tree.content, random) } : { ...tree, children: children.toReversed() }
    case 5:
      return children === undefined ? other : { ...tree, children: [...children, other] }
    case 6:
      return children === undefined ? { ...tree, tag: random.below(256) & 0xdf } : { ...tree, children: children.slice(1) }
    default:
      return children === undefined
        ? { ...tree, content: concatBytes(tree.content, random.bytes(3)) }
        : { ...tree, children: [...children, ...children] }
  }
}

function flip(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = bytes.slice()
  if (copy.length > 0) copy[random.below(copy.length)]! ^= 1 << random.below(8)
  return copy
}

/** Bytes changed, cut, added, without regard for lengths. */
function spoil(bytes: Uint8Array, random: Random): Uint8Array {
  let spoiled = bytes
  for (let left = 1 + random.below(3); left > 0; left--) {
    const at = random.below(spoiled.length + 1)
    switch (random.below(4)) {
      case 0:
        spoiled = flip(spoiled, random)
        break
      case 1:
        spoiled = spoiled.slice(0, at)
        break
      case 2:
        spoiled = concatBytes(spoiled.subarray(0, at), random.bytes(1 + random.below(6)), spoiled.subarray(at))
        break
      default:
        spoiled = concatBytes(spoiled.subarray(0, at), spoiled.subarray(at + 1 + random.below(4)))
    }
  }
  return spoiled
}
