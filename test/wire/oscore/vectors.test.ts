// Bytes that others made: RFC 8613 Appendix C, recordings of aiocoap, values of Californium's tests, and those made from the draft's text.
// Runs as it is and again where node:crypto is as poor as BoringSSL (poor.test.ts).
import { describe, expect, test } from 'vitest'
import {
  sharedSecret,
  toHex,
  toX25519PrivateKey,
  toX25519PublicKey,
  importPublicKey,
  exportPublicKey,
  publicKeyOf,
} from '#main/base/index.ts'
import { decodeMessage, encodeMessage, findOption, OptionNumber, type CoapMessage, type CoapOption } from '#main/wire/coap/index.ts'
import {
  decodeOption,
  encodeOption,
  OscoreLayer,
  SecurityGroup,
  SUPPORTED_AEADS,
  UnicastContext,
  readCredential,
} from '#main/wire/oscore/index.ts'
import { deriveCommonIv, deriveKey, deriveSignatureEncryptionKey } from '../../../src-main/wire/oscore/derivation.ts'
import { groupEncryptionOf, hashOf } from '../../../src-main/wire/oscore/algorithms.ts'
import { GroupReply } from '../../../src-main/wire/oscore/group-reply.ts'
import { decodePlaintext, encodePlaintext } from '../../../src-main/wire/oscore/plaintext.ts'
import { UnicastExchange, UnicastReply } from '../../../src-main/wire/oscore/unicast-exchange.ts'
import { partialIvNumber } from '../../../src-main/wire/oscore/nonce.ts'
import { seededRandom } from '#main/base/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import {
  curveOf,
  groupInput,
  hex,
  loadVectors,
  privateKeyOf,
  sequencesFrom,
  unicastInput,
  type Vector,
  type VectorGroup,
  type VectorMessage,
} from './vector-files.ts'

const CLIENT = { source: { address: '::1', port: 1 }, peer: '::1 1', destination: undefined, multicast: false }
const all = loadVectors((file) => !file.startsWith('groupcomm-28'))
/** What the platform lacks (ChaCha20-Poly1305 under BoringSSL) cannot be checked there. */
const usable = (...algorithms: ReadonlyArray<number | null | undefined>): boolean =>
  algorithms.every((id) => id === null || id === undefined || id < -1000 || SUPPORTED_AEADS.includes(id))

/** The plain message as the sender has it: with the Observe value that only the outside shows. */
function constant<Value>(value: Value): () => Value {
  return () => value
}

function plainOf(message: VectorMessage): CoapMessage {
  const outer = decodeMessage(hex(message.protected))
  const inner = decodePlaintext(hex(message.plaintext))
  if (inner === undefined) throw new TypeError('no plaintext')
  const observe = findOption(outer.options, OptionNumber.OBSERVE)
  const visible = outer.options.filter(({ number }) => [3, 7, 35, 39].includes(number))
  const options = inner.options.map((option): CoapOption =>
    option.number === OptionNumber.OBSERVE && observe !== undefined ? observe : option,
  )
  return { ...outer, code: inner.code, options: [...options, ...visible].sort((a, b) => a.number - b.number), payload: inner.payload }
}

function ownPartialIv(message: VectorMessage): number | undefined {
  const partialIv = decodeOption(hex(message.oscore_option))?.partialIv
  return partialIv === undefined ? undefined : partialIvNumber(partialIv)
}

function datagramOf(like: VectorMessage, content: { code: string; options: readonly CoapOption[]; payload: Uint8Array }): string {
  const { type, messageId, token } = decodeMessage(hex(like.protected))
  return toHex(encodeMessage({ type, messageId, token, code: content.code, options: content.options, payload: content.payload }))
}

function replyTo(vector: Vector, message: VectorMessage): VectorMessage {
  const request = vector.messages?.[message.in_reply_to ?? -1]
  if (request === undefined) throw new TypeError('no request')
  return request
}

function bindingOf(request: VectorMessage): { kid: Uint8Array; partialIv: Uint8Array; gid: Uint8Array } {
  const option = decodeOption(hex(request.oscore_option))
  if (option?.kid === undefined || option.partialIv === undefined) throw new TypeError('no request')
  return { kid: option.kid, partialIv: option.partialIv, gid: option.kidContext ?? new Uint8Array(0) }
}

describe.each(all.filter((vector) => vector.context !== undefined && usable(vector.context.alg)))('OSCORE, $name', (vector) => {
  const messages = vector.messages ?? []
  const contextOf = (side: 'client' | 'server', first = 0): UnicastContext =>
    new UnicastContext(unicastInput(vector, side), { sequences: sequencesFrom(first), received: 'fresh' })
  const identity = { scheme: 'oscore', name: 'x' } as const

  test.each(messages.map((message, index) => [index, message] as const))(
    'message %i is protected to the same bytes and opened (RFC 8613 §8)',
    (_index, message) => {
      if (message.type === 'request') {
        const exchange = new UnicastExchange(constant(contextOf('client', ownPartialIv(message))), identity)
        expect(datagramOf(message, exchange.protect(plainOf(message)))).toBe(message.protected)
        const layer = new OscoreLayer({ random: seededRandom(1) })
        layer.add(contextOf('server'))
        const opened = layer.openRequest(decodeMessage(hex(message.protected)), CLIENT)
        expect(opened).toMatchObject({ kind: 'request', identity: { scheme: 'oscore', name: 'client' } })
        if (opened.kind === 'request') expect(opened.message).toEqual(plainOf(message))
        return
      }
      const request = replyTo(vector, message)
      const own = ownPartialIv(message)
      const reply = new UnicastReply(
        contextOf('server', own),
        bindingOf(request),
        decodeMessage(hex(request.protected)).code,
        own !== undefined,
      )
      const content = reply.protect(plainOf(message))
      expect(content && datagramOf(message, content)).toBe(message.protected)
      const exchange = new UnicastExchange(constant(contextOf('client', ownPartialIv(request))), identity)
      exchange.protect(plainOf(request))
      const opened = exchange.unprotect(decodeMessage(hex(message.protected)))
      expect(opened?.message.code).toBe(plainOf(message).code)
      expect(opened?.message.payload).toEqual(plainOf(message).payload)
    },
  )
})

describe.each(
  all.filter(
    (vector) => vector.group !== undefined && vector.messages !== undefined && usable(vector.group.alg_aead, vector.group.alg_group_enc),
  ),
)('Group OSCORE, $name', (vector) => {
  const messages = vector.messages ?? []
  const elements = vector.countersign_structure_elements ?? 5
  const side = (message: VectorMessage): string => (message.from === 'client' ? vector.client : vector.server) ?? ''
  const other = (message: VectorMessage): string => (message.from === 'client' ? vector.server : vector.client) ?? ''
  const groupOf = (sid: string, first = 0, group: VectorGroup | undefined = vector.group): SecurityGroup => {
    if (group === undefined) throw new TypeError('no group')
    const input = groupInput(group, sid, elements)
    return new SecurityGroup(input, { clock: new VirtualClock(), sequences: sequencesFrom(first), answersInPairwiseMode: pairwiseAnswers })
  }
  /** A group request that was answered in pairwise mode. */
  const pairwiseAnswers =
    messages.some((message) => message.mode === 'pairwise') &&
    messages.some((message) => message.mode === 'group' && message.type === 'request')
  const rekeyed = (group: SecurityGroup, sid: string): SecurityGroup => {
    if (vector.group_after_rekey !== undefined) group.rekey(groupInput(vector.group_after_rekey, sid, elements))
    return group
  }

  test('the keys are derived (draft-28 §2.1, §2.2)', () => {
    const { group, derived = {} } = vector
    if (group === undefined) return
    const source = {
      hash: hashOf(group.hkdf),
      masterSecret: hex(group.master_secret),
      masterSalt: hex(group.master_salt),
      idContext: hex(group.gid),
    }
    const keying = groupEncryptionOf(group.alg_group_enc ?? group.alg_aead ?? 0)
    expect(toHex(deriveKey(source, hex(vector.client), keying.coseId, keying.keyBytes))).toBe(derived.client_sender_key)
    expect(toHex(deriveKey(source, hex(vector.server), keying.coseId, keying.keyBytes))).toBe(derived.server_sender_key)
    expect(toHex(deriveCommonIv(source, keying.coseId, (derived.common_iv ?? '').length / 2))).toBe(derived.common_iv)
    if (derived.signature_encryption_key !== undefined)
      expect(toHex(deriveSignatureEncryptionKey(source, keying.coseId, keying.keyBytes))).toBe(derived.signature_encryption_key)
  })

  test.each(messages.map((message, index) => [index, message] as const))(
    'message %i is protected to the same bytes and opened (draft-28 §7, §8)',
    (_index, message) => {
      const sender = side(message)
      const receiver = other(message)
      const plain = plainOf(message)
      // ECDSA draws a random number for each signature: what leaves is then checked by opening it.
      const reproducible = message.mode === 'pairwise' || ![-7, -9].includes(vector.group?.alg_signature ?? 0)
      if (message.type === 'request') {
        const group = groupOf(sender, ownPartialIv(message))
        const security = message.mode === 'pairwise' ? group.pairwise(hex(receiver)) : group.groupMode()
        const datagram = datagramOf(message, security.open().protect(plain) ?? plain)
        if (reproducible) expect(datagram).toBe(message.protected)
        for (const bytes of [datagram, message.protected]) {
          const layer = new OscoreLayer({ random: seededRandom(1) })
          layer.addGroup(groupOf(receiver))
          const opened = layer.openRequest(decodeMessage(hex(bytes)), CLIENT)
          expect(opened).toMatchObject({ kind: 'request', identity: { scheme: 'group-oscore', senderId: hex(sender), mode: message.mode } })
          if (opened.kind === 'request') expect(opened.message).toEqual(plain)
        }
        return
      }
      const request = replyTo(vector, message)
      const own = ownPartialIv(message)
      const server = groupOf(sender, own)
      const context = server.current
      if (message.after_rekey === true) rekeyed(server, sender)
      const from = context.members.recipient(hex(receiver))
      if (from === undefined) throw new TypeError('no member')
      const outer = decodeMessage(hex(request.protected))
      const asked = {
        group: server,
        context,
        binding: bindingOf(request),
        from,
        mode: pairwiseAnswers || message.mode !== 'pairwise' ? 'group' : 'pairwise',
        outer,
      } as const
      const content = new GroupReply(asked, own !== undefined).protect(plain)
      const datagram = content === undefined ? '' : datagramOf(message, content)
      const option =
        content === undefined ? undefined : decodeOption(findOption(content.options, OptionNumber.OSCORE)?.value ?? new Uint8Array(0))
      // aiocoap names itself in pairwise responses, too, and a server may say its new Gid once only; those are opened here.
      const same =
        toHex(encodeOption(option ?? { group: false, kid: undefined, kidContext: undefined, partialIv: undefined })) ===
        message.oscore_option
      if (reproducible && same) expect(datagram).toBe(message.protected)
      for (const bytes of [datagram, message.protected]) {
        const client = groupOf(receiver, ownPartialIv(request))
        const exchange = (request.mode === 'pairwise' ? client.pairwise(hex(sender)) : client.groupMode()).open()
        exchange.protect(plainOf(request))
        if (message.after_rekey === true) rekeyed(client, receiver)
        // Without Gid it is that of the response before, which was the first under the new keys (§7.3).
        const before = messages.find((earlier) => earlier.in_reply_to === message.in_reply_to && earlier.after_rekey === true)
        if (bytes === message.protected && before !== undefined && before !== message)
          exchange.unprotect(decodeMessage(hex(before.protected)))
        const opened = exchange.unprotect(decodeMessage(hex(bytes)))
        expect(opened?.message.code).toBe(plain.code)
        expect(opened?.message.payload).toEqual(plain.payload)
        expect(opened?.identity).toMatchObject({ scheme: 'group-oscore', senderId: hex(sender) })
      }
    },
  )
})

describe.each(all.filter((vector) => vector.kdf !== undefined))('Californium, $name', ({ group, kdf }) => {
  test('sender keys and shared secrets (draft-28 §2.2, §2.5)', () => {
    if (group === undefined) return
    const source = {
      hash: hashOf(group.hkdf),
      masterSecret: hex(group.master_secret),
      masterSalt: hex(group.master_salt),
      idContext: hex(group.gid),
    }
    const keying = groupEncryptionOf(group.alg_group_enc ?? group.alg_aead ?? 0)
    for (const [sid, key] of Object.entries(kdf?.sender_keys ?? {}))
      expect(toHex(deriveKey(source, hex(sid), keying.coseId, keying.keyBytes))).toBe(key)
    for (const { private_of, public_of, secret } of kdf?.shared_secrets ?? []) {
      const own = group.members.find(({ sid }) => sid === private_of)
      const peer = group.members.find(({ sid }) => sid === public_of)
      if (own === undefined || peer === undefined) throw new TypeError('no member')
      const peerKey = readCredential(hex(peer.cred), 14).publicKey
      const isEdwards = curveOf(own) === 'Ed25519'
      const agreed = isEdwards
        ? sharedSecret(toX25519PrivateKey(privateKeyOf(own)), toX25519PublicKey(peerKey))
        : sharedSecret(privateKeyOf(own), peerKey)
      expect(toHex(agreed)).toBe(secret)
    }
  })
})

describe('the option, draft-28 §4.3', () => {
  interface Example {
    readonly kid?: string
    readonly partial_iv?: string
    readonly kid_context?: string
    readonly mode: string
    readonly oscore_option: string
  }
  const [compression] = loadVectors((file) => file.startsWith('groupcomm-28')) as unknown as ReadonlyArray<{
    readonly examples: readonly Example[]
  }>
  test.each(compression?.examples ?? [])('$mode $oscore_option', ({ kid, partial_iv, kid_context, mode, oscore_option }) => {
    const option = {
      group: mode === 'group',
      kid: kid === undefined ? undefined : hex(kid),
      partialIv: partial_iv === undefined ? undefined : hex(partial_iv),
      kidContext: kid_context === undefined ? undefined : hex(kid_context),
    }
    expect(toHex(encodeOption(option))).toBe(oscore_option)
    expect(decodeOption(hex(oscore_option))).toEqual(option)
  })
})

test('the plaintext of every vector reads and writes the same (RFC 8613 §5.3)', () => {
  for (const { messages } of all)
    for (const { plaintext } of messages ?? []) {
      const read = decodePlaintext(hex(plaintext))
      expect(read && toHex(encodePlaintext(read.code, read.options, read.payload))).toBe(plaintext)
    }
})

test('the map from Ed25519 to X25519 refuses points of low order (draft-28 §2.5.2.1)', () => {
  const one = new Uint8Array(32)
  one[0] = 1
  expect(() => toX25519PublicKey(importPublicKey('Ed25519', one))).toThrow()
  const key = privateKeyOf({
    sid: '',
    private: '00'.repeat(31) + '01',
    cred: all.find(({ name }) => name === 'group-eddsa')?.group?.members[0]?.cred ?? '',
  })
  expect(toHex(exportPublicKey(toX25519PublicKey(publicKeyOf(key))))).toBe(toHex(exportPublicKey(publicKeyOf(toX25519PrivateKey(key)))))
})
