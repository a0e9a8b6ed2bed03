// Descriptions of security contexts that both ends of an interop test are made from, and our end of one, on a system socket.
import {
  exportPrivateKey,
  fromHex,
  generateKeyPair,
  importPrivateKey,
  silentLogger,
  systemClock,
  systemRandom,
  toHex,
  utf8,
  type DatagramChannel,
  type SocketAddress,
} from '#main/base/index.ts'
import {
  CoapEndpoint,
  Observable,
  ResourceTree,
  type CoapParameters,
  type IncomingRequest,
  type RequestSecurity,
} from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { makeCcs, OscoreLayer, SecurityGroup, UnicastContext, volatileSequences } from '#main/wire/oscore/index.ts'

export interface PeerSpec {
  readonly kind: 'oscore' | 'group'
  readonly mode?: 'group' | 'pairwise'
  readonly answers?: 'group'
  readonly client: string
  readonly server: string
  readonly masterSecret: string
  readonly masterSalt: string
  readonly aead: number
  readonly hkdf: number
  readonly idContext?: string
  readonly windowLost?: boolean
  readonly gid?: string
  readonly groupEncryption?: number
  readonly signature?: number
  readonly groupManagerCredential?: string
  readonly members?: ReadonlyArray<{ readonly senderId: string; readonly credential: string; readonly private: string }>
}

const SECRETS = { masterSecret: '0102030405060708090a0b0c0d0e0f10', masterSalt: '9e7ca92223786340' }

export function unicastSpec(more: Partial<PeerSpec> = {}): PeerSpec {
  return { kind: 'oscore', client: '01', server: '02', ...SECRETS, aead: 10, hkdf: 5, ...more }
}

export function groupSpec(curve: 'Ed25519' | 'P-256', more: Partial<PeerSpec> = {}): PeerSpec {
  const signature = more.signature ?? (curve === 'P-256' ? -7 : -8)
  const members = ['25', '52', '77'].map((senderId) => {
    const { publicKey, privateKey } = generateKeyPair(curve)
    return { senderId, credential: toHex(makeCcs(publicKey, { alg: signature })), private: toHex(exportPrivateKey(privateKey)) }
  })
  const groupManagerCredential = toHex(makeCcs(generateKeyPair(curve).publicKey, { alg: signature }))
  return {
    kind: 'group',
    client: '25',
    server: '52',
    ...SECRETS,
    gid: '44616c',
    aead: 10,
    groupEncryption: 10,
    hkdf: 5,
    signature,
    groupManagerCredential,
    members,
    ...more,
  }
}

export const LARGE = Uint8Array.from({ length: 4000 }, (_, index) => index % 251)

export interface OurEnd {
  readonly endpoint: CoapEndpoint
  readonly layer: OscoreLayer
  readonly channel: DatagramChannel
  readonly at: SocketAddress
  readonly security: RequestSecurity
  readonly seen: IncomingRequest[]
  change(): void
  close(): Promise<void>
}

export const hex = (digits: string): Uint8Array => fromHex(digits) ?? new Uint8Array(0)

/** Our end of what the description says. */
export async function endOf(spec: PeerSpec, side: 'client' | 'server', parameters: Partial<CoapParameters> = {}): Promise<OurEnd> {
  const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const layer = new OscoreLayer({ random: systemRandom })
  const other = side === 'client' ? 'server' : 'client'
  let security: RequestSecurity
  const sequences = volatileSequences()
  if (spec.kind === 'oscore') {
    const input = {
      name: 'aiocoap',
      masterSecret: hex(spec.masterSecret),
      masterSalt: hex(spec.masterSalt),
      senderId: hex(spec[side]),
      recipientId: hex(spec[other]),
      aead: spec.aead,
      hkdf: spec.hkdf,
      ...(spec.idContext === undefined ? {} : { idContext: hex(spec.idContext) }),
    }
    layer.add(new UnicastContext(input, { sequences, received: 'fresh' }))
    if (side === 'server' && spec.windowLost === true) layer.add(new UnicastContext(input, { sequences, received: 'unknown' }))
    security = layer.to('aiocoap')
  } else {
    const members = spec.members ?? []
    const self = members.find(({ senderId }) => senderId === spec[side])
    if (self === undefined || spec.gid === undefined || spec.signature === undefined || spec.groupEncryption === undefined)
      throw new TypeError('no group')
    const curve = spec.signature === -7 ? 'P-256' : 'Ed25519'
    const secured = new SecurityGroup(
      {
        groupName: 'interop',
        gid: hex(spec.gid),
        masterSecret: hex(spec.masterSecret),
        masterSalt: hex(spec.masterSalt),
        aead: spec.aead,
        hkdf: spec.hkdf,
        groupEncryption: spec.groupEncryption,
        signature: spec.signature,
        keyAgreement: -27,
        groupManagerCredential: hex(spec.groupManagerCredential ?? ''),
        own: { senderId: hex(self.senderId), credential: hex(self.credential), privateKey: importPrivateKey(curve, hex(self.private)) },
        members: members.map(({ senderId, credential }) => ({ senderId: hex(senderId), credential: hex(credential) })),
      },
      { clock: systemClock, sequences },
    )
    layer.addGroup(secured)
    security = spec.mode === 'pairwise' ? secured.pairwise(hex(spec[other])) : secured.groupMode()
  }
  const seen: IncomingRequest[] = []
  const observable = new Observable()
  let count = 0
  const tree = new ResourceTree()
  const protection = [spec.kind === 'oscore' ? 'oscore' : 'group-oscore'] as const
  tree.add('/hello', {
    protection,
    handlers: {
      GET: (request) => {
        seen.push(request)
        return { code: '2.05', payload: utf8('hello from here') }
      },
    },
  })
  tree.add('/reverse', { protection, handlers: { POST: ({ payload }) => ({ code: '2.04', payload: payload.slice().reverse() }) } })
  tree.add('/large', { protection, handlers: { GET: () => ({ code: '2.05', payload: LARGE }) } })
  tree.add('/counter', { protection, observable, handlers: { GET: () => ({ code: '2.05', payload: utf8(String(count)) }) } })
  const endpoint = new CoapEndpoint({
    channel,
    tree,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    parameters,
    security: layer,
  })
  return {
    endpoint,
    layer,
    channel,
    at: channel.local,
    security,
    seen,
    change: () => {
      count++
      observable.notify()
    },
    close: async () => {
      endpoint.close()
      await channel.close()
    },
  }
}
