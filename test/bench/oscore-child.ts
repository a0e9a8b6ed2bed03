// Rates of protecting and opening messages, and of the bare crypto calls that they contain, in a process of its own: node:crypto as it is,
// or, with the preload of the portable path, as poor as Electron's. Prints one JSON line.
import { createCipheriv, createDecipheriv, createPrivateKey, createPublicKey, createSecretKey, hkdfSync, sign, verify } from 'node:crypto'
import {
  aeadByCoseId,
  exportPrivateKey,
  generateKeyPair,
  importAesKey,
  seededRandom,
  systemClock,
  utf8,
  type Curve,
} from '#main/base/index.ts'
import { stringOption, type CoapMessage, type MessageContent } from '#main/wire/coap/index.ts'
import { makeCcs, OscoreLayer, SecurityGroup, UnicastContext, volatileSequences, type GroupContextInput } from '#main/wire/oscore/index.ts'

const poor = 'groupwrightPoorCrypto' in globalThis
const ORIGIN = { source: { address: '::1', port: 5683 }, peer: '::1 5683', destination: undefined, multicast: false }
const CONTENT: MessageContent = {
  code: '0.03',
  token: Uint8Array.of(1, 2, 3, 4),
  options: [stringOption(11, 'light'), stringOption(11, 'level'), { number: 12, value: Uint8Array.of(60) }],
  payload: new Uint8Array(64).fill(7),
}
const PLAINTEXT_BYTES = 1 + 6 + 6 + 2 + 1 + 64
const RUN_MS = Number(process.env.BENCH_RUN_MS ?? 400)

export interface Rates {
  readonly name: string
  readonly perSecond: number
  readonly barePerSecond: number
}

/** Calls in a second of CPU time; both take turns, so that whatever else the machine does hits both. */
function contest(name: string, work: () => void, bare: () => void): Rates {
  const times = { work: [] as number[], bare: [] as number[] }
  for (let round = 0; round < 6; round++) {
    const rates = { work: rateOf(work), bare: rateOf(bare) }
    if (round === 0) continue
    times.work.push(rates.work)
    times.bare.push(rates.bare)
  }
  const middle = (values: number[]): number => values.sort((a, b) => a - b)[2] ?? 0
  return { name, perSecond: middle(times.work), barePerSecond: middle(times.bare) }
}

function rateOf(work: () => void): number {
  const start = process.cpuUsage()
  let calls = 0
  let spentUs = 0
  do {
    for (let index = 0; index < 64; index++) work()
    calls += 64
    const used = process.cpuUsage(start)
    spentUs = used.user + used.system
  } while (spentUs < RUN_MS * 200)
  return (calls / spentUs) * 1e6
}

// ---- Bare calls ----------------------------------------------------------------------------------------------------

const key = createSecretKey(new Uint8Array(16).fill(3))
const handle = importAesKey(new Uint8Array(16).fill(3))
const aead = aeadByCoseId(10)
const nonce = new Uint8Array(13).fill(1)
const plaintext = new Uint8Array(PLAINTEXT_BYTES).fill(5)

function sealBare(aad: Uint8Array): void {
  if (poor) {
    aead.seal(handle, nonce, aad, plaintext)
    return
  }
  const cipher = createCipheriv('aes-128-ccm', key, nonce, { authTagLength: 8 })
  cipher.setAAD(aad, { plaintextLength: plaintext.length })
  cipher.update(plaintext)
  cipher.final()
  cipher.getAuthTag()
}

function openBare(aad: Uint8Array, sealed: Uint8Array): void {
  if (poor) {
    aead.open(handle, nonce, aad, sealed)
    return
  }
  const decipher = createDecipheriv('aes-128-ccm', key, nonce, { authTagLength: 8 })
  decipher.setAuthTag(sealed.subarray(-8))
  decipher.setAAD(aad, { plaintextLength: sealed.length - 8 })
  decipher.update(sealed.subarray(0, -8))
  decipher.final()
}

// ---- Messages ------------------------------------------------------------------------------------------------------

function asMessage(content: MessageContent): CoapMessage {
  return { type: 'NON', messageId: 1, ...content }
}

/** Opens each of many messages once: a window accepts no number twice. */
function opener(make: () => MessageContent, layer: OscoreLayer, count: number): () => void {
  const messages = Array.from({ length: count }, () => asMessage(make()))
  let next = 0
  return () => {
    const message = messages[next++ % count]
    if (message === undefined) return
    if (layer.openRequest(message, ORIGIN).kind !== 'request') throw new RangeError('not opened')
  }
}

/** A context whose window forgets, so that the same messages can be opened for as long as the measure takes. */
function unicast(): Rates[] {
  const common = { masterSecret: new Uint8Array(16).fill(1), masterSalt: new Uint8Array(8) }
  const client = new UnicastContext(
    { ...common, name: 'server', senderId: Uint8Array.of(1), recipientId: Uint8Array.of(2) },
    { sequences: volatileSequences(), received: 'fresh' },
  )
  const server = new UnicastContext(
    { ...common, name: 'client', senderId: Uint8Array.of(2), recipientId: Uint8Array.of(1) },
    { sequences: volatileSequences(), received: 'fresh' },
  )
  forgetful(server.window)
  const sender = new OscoreLayer({ random: seededRandom(1) })
  const receiver = new OscoreLayer({ random: seededRandom(1) })
  sender.add(client)
  receiver.add(server)
  const security = sender.to('server')
  const aad = new Uint8Array(24).fill(2)
  const sealed = sealedFor(aad)
  const protect = (): MessageContent => security.open().protect(CONTENT) ?? CONTENT
  return [
    contest('OSCORE protect', protect, () => sealBare(aad)),
    contest('OSCORE open', opener(protect, receiver, 1024), () => openBare(aad, sealed)),
  ]
}

function forgetful(window: { accepts: (number: number) => boolean }): void {
  Object.defineProperty(window, 'accepts', { value: () => true })
}

function sealedFor(aad: Uint8Array): Uint8Array {
  return aead.seal(handle, nonce, aad, plaintext)
}

function groups(curve: Curve): Rates[] {
  const signature = curve === 'P-256' ? -7 : -8
  const name = curve === 'P-256' ? 'ES256' : 'EdDSA'
  const members = [1, 2].map((id) => {
    const keys = generateKeyPair(curve)
    return { senderId: Uint8Array.of(id), credential: makeCcs(keys.publicKey), keys }
  })
  const inputOf = (own: number): GroupContextInput => {
    const self = members[own]
    if (self === undefined) throw new RangeError('no member')
    return {
      groupName: 'bench',
      gid: utf8('b1b1b1b1'),
      masterSecret: new Uint8Array(16).fill(1),
      groupEncryption: 10,
      signature,
      aead: 10,
      keyAgreement: -27,
      groupManagerCredential: self.credential,
      own: { senderId: self.senderId, credential: self.credential, privateKey: self.keys.privateKey },
      members,
    }
  }
  const [client, server] = [0, 1].map(
    (own) =>
      new SecurityGroup(
        { ...inputOf(own), groupManagerCredential: members[0]?.credential ?? new Uint8Array(0) },
        { clock: systemClock, sequences: volatileSequences() },
      ),
  )
  if (client === undefined || server === undefined) throw new RangeError('no group')
  const receiver = new OscoreLayer({ random: seededRandom(1) })
  receiver.addGroup(server)
  const window = server.current.members.recipient(Uint8Array.of(1))?.window
  if (window !== undefined) forgetful(window)
  const aad = new Uint8Array(190).fill(2)
  const sealed = sealedFor(aad)
  const toSign = new Uint8Array(290).fill(4)
  const pem = members[0]?.keys
  if (pem === undefined) throw new RangeError('no keys')
  const { privateKey, publicKey } = bareKeys(curve, exportPrivateKey(pem.privateKey))
  const digest = curve === 'P-256' ? 'sha256' : null
  const signed = sign(digest, toSign, privateKey)
  const ikm = createSecretKey(new Uint8Array(16).fill(1))
  const salt = Uint8Array.of(1, 2)
  const info = new Uint8Array(16)
  const protectForAll = (): MessageContent => client.groupMode().open().protect(CONTENT) ?? CONTENT
  const security = client.pairwise(Uint8Array.of(2))
  const protectForOne = (): MessageContent => security.open().protect(CONTENT) ?? CONTENT
  return [
    contest(`group mode ${name} protect`, protectForAll, () => {
      sealBare(aad)
      sign(digest, toSign, privateKey)
      hkdfSync('sha256', ikm, salt, info, 64)
    }),
    contest(`group mode ${name} verify and open`, opener(protectForAll, receiver, 256), () => {
      hkdfSync('sha256', ikm, salt, info, 64)
      verify(digest, toSign, publicKey, signed)
      openBare(aad, sealed)
    }),
    contest(`pairwise mode ${name} protect`, protectForOne, () => sealBare(aad)),
    contest(`pairwise mode ${name} open`, opener(protectForOne, receiver, 1024), () => openBare(aad, sealed)),
  ]
}

function bareKeys(
  curve: Curve,
  raw: Uint8Array,
): { readonly privateKey: ReturnType<typeof createPrivateKey>; readonly publicKey: ReturnType<typeof createPublicKey> } {
  const prefix =
    curve === 'P-256' ? '3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420' : '302e020100300506032b657004220420'
  const privateKey = createPrivateKey({ key: Buffer.concat([Buffer.from(prefix, 'hex'), raw]), format: 'der', type: 'pkcs8' })
  return { privateKey, publicKey: createPublicKey(privateKey) }
}

/** Bytes of heap and beyond that a Recipient Context takes, with the keys of both modes. */
function memory(count: number): number {
  const own = generateKeyPair('Ed25519')
  const credential = makeCcs(own.publicKey)
  const keys = Array.from({ length: 16 }, () => makeCcs(generateKeyPair('Ed25519').publicKey))
  const members = Array.from({ length: count }, (_, index) => ({
    senderId: Uint8Array.of(1 + (index >> 8), index & 255),
    credential: (keys[index % keys.length] ?? credential).slice(),
  }))
  const group = new SecurityGroup(
    {
      groupName: 'bench',
      gid: utf8('b1b1b1b1'),
      masterSecret: new Uint8Array(16),
      groupEncryption: 10,
      signature: -8,
      aead: 10,
      keyAgreement: -27,
      groupManagerCredential: credential,
      own: { senderId: Uint8Array.of(0), credential, privateKey: own.privateKey },
      members,
    },
    { clock: systemClock, sequences: volatileSequences() },
  )
  globalThis.gc?.()
  const before = process.memoryUsage()
  const frame = {
    request: { kid: Uint8Array.of(0), partialIv: Uint8Array.of(0), gid: utf8('b1b1b1b1') },
    isRequest: true,
    option: new Uint8Array(3),
    partialIv: Uint8Array.of(0),
  }
  for (const { senderId } of members) {
    const recipient = group.current.members.recipient(senderId)
    if (recipient !== undefined) {
      group.current.sealForOne(frame, recipient, plaintext)
      group.current.openForGroup(frame, recipient, new Uint8Array(100))
    }
  }
  globalThis.gc?.()
  const after = process.memoryUsage()
  return (after.rss - before.rss) / count
}

const rates = [...unicast(), ...groups('Ed25519'), ...groups('P-256')]
console.log(JSON.stringify({ poor, rates, bytesPerRecipient: memory(10_000) }))
