// Real datagrams to start from, each file of test/vectors/coap with its origin in its first lines, and the ways to spoil them.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { concatBytes, fromHex, type Random } from '#main/base/index.ts'

const FOLDER = join(import.meta.dirname, '../vectors/coap')

export function loadCorpus(): readonly Uint8Array[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.hex'))
    .sort()
    .flatMap((name) => readFileSync(join(FOLDER, name), 'utf8').split('\n'))
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const bytes = fromHex(line)
      if (bytes === undefined) throw new Error(`not hex: ${line}`)
      return bytes
    })
}

/** Values that decoders stumble over. */
const NASTY = [0x00, 0x01, 0x0d, 0x0e, 0x0f, 0x7f, 0x80, 0xd0, 0xdd, 0xe0, 0xee, 0xf0, 0xff]
const MAX_BYTES = 2000

type Mutation = (bytes: Uint8Array, random: Random, other: () => Uint8Array) => Uint8Array

const MUTATIONS: readonly Mutation[] = [
  (bytes, random) => changed(bytes, random, (byte) => byte ^ (1 << random.below(8))),
  (bytes, random) => changed(bytes, random, () => random.below(256)),
  (bytes, random) => changed(bytes, random, () => NASTY[random.below(NASTY.length)] ?? 0),
  (bytes, random) => changed(bytes, random, (byte) => byte + (random.below(2) === 0 ? 1 : 255)),
  (bytes, random) => bytes.slice(0, random.below(bytes.length + 1)),
  (bytes, random) => {
    const at = random.below(bytes.length + 1)
    return concatBytes(bytes.subarray(0, at), random.bytes(1 + random.below(6)), bytes.subarray(at))
  },
  (bytes, random) => {
    const at = random.below(bytes.length + 1)
    return concatBytes(bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(4)))
  },
  // A stretch twice, as with an option that comes too often.
  (bytes, random) => {
    const at = random.below(bytes.length + 1)
    const end = at + random.below(12)
    return concatBytes(bytes.subarray(0, end), bytes.subarray(at))
  },
  // The front of one and the back of another.
  (bytes, random, other) => {
    const tail = other()
    return concatBytes(bytes.subarray(0, random.below(bytes.length + 1)), tail.subarray(random.below(tail.length + 1)))
  },
  (bytes, random) => concatBytes(bytes, random.bytes(random.below(40))),
  // Another type, another code, another Message ID: the message stays one.
  (bytes, random) => at(bytes, 0, ((bytes[0] ?? 0) & 0xcf) | (random.below(4) << 4)),
  (bytes, random) => at(bytes, 1, random.below(8)),
  (bytes, random) => at(at(bytes, 2, random.below(256)), 3, random.below(256)),
]

/** One to four mutations, one after the other; once in a while none. */
export function mutate(start: Uint8Array, random: Random, other: () => Uint8Array): Uint8Array {
  let bytes = start
  for (let left = random.below(5); left > 0; left--) {
    const mutation = MUTATIONS[random.below(MUTATIONS.length)]
    if (mutation !== undefined) bytes = mutation(bytes, random, other)
  }
  return bytes.length > MAX_BYTES ? bytes.slice(0, MAX_BYTES) : bytes
}

function changed(bytes: Uint8Array, random: Random, change: (byte: number) => number): Uint8Array {
  const index = random.below(bytes.length)
  return at(bytes, index, change(bytes[index] ?? 0))
}

function at(bytes: Uint8Array, index: number, value: number): Uint8Array {
  const copy = bytes.slice()
  if (index < copy.length) copy[index] = value
  return copy
}
