// Credentials that an issuer has signed: CWTs and X.509 certificates of members and of the Group Manager (key-groupcomm-oscore-21 §6.2;
// draft-ietf-core-oscore-groupcomm-28 §2.4; RFC 8392 §7.2; RFC 5280 §6.1.3). The certificates were made with OpenSSL.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  decodeCbor,
  decodeSign1,
  encodeCbor,
  encodeSign1,
  fromHex,
  generateKeyPair,
  importPrivateKey,
  publicKeyOf,
  utf8,
  type CborKey,
  type CborValue,
  type Curve,
  type KeyPair,
} from '#main/base/index.ts'
import { decodeProblem, type ClientResponse } from '#main/wire/coap/index.ts'
import { CredentialFormat, makeCcs, makeCwt, readCredential } from '#main/wire/oscore/index.ts'
import type { GroupMemberClient, GroupMemberClientOptions } from '#main/services/group-manager/index.ts'
import { withDefaults } from '../../../src-main/services/group-manager/configuration.ts'
import { makeEvidence, memberPopInput } from '../../../src-main/services/group-manager/pop.ts'
import { text, world, type Device, type World } from './harness.ts'

interface Recorded {
  readonly certificate: string
  readonly privateKey?: string
  readonly curve?: Curve
}

const recorded = JSON.parse(readFileSync(join(import.meta.dirname, '../../vectors/credentials/certificates.json'), 'utf8')) as Record<
  string,
  Recorded
>
const hex = (digits: string): Uint8Array => fromHex(digits) ?? new Uint8Array(0)
const certificate = (name: string): Uint8Array => hex(recorded[name]?.certificate ?? '')
const keysOf = (name: string): GroupMemberClientOptions['keysFor'] => {
  const { privateKey = '', curve = 'Ed25519' } = recorded[name] ?? {}
  return () => ({ credential: certificate(name), privateKey: importPrivateKey(curve, hex(privateKey)) })
}

const issuer: KeyPair = generateKeyPair('P-256')
const SOON = Date.UTC(2026, 10, 20, 21)
const errorId = (response: ClientResponse): unknown =>
  response.contentFormat === 257 ? decodeProblem(response.payload).custom?.get(0)?.get(0) : undefined
/** "Incompatible credentials". */
const CREDENTIAL = 2

async function start(format: number, signature = -8): Promise<World> {
  const net = world({ manager: { credentialIssuers: { keys: [issuer.publicKey], authorities: [certificate('authority')] } } })
  await net.clock.advance(SOON - net.clock.now())
  net.manager.createGroup('g1', { active: true, credentialFormat: format, groupMode: { encryption: 10, signature } })
  return net
}

function cwt(keys: KeyPair, signer: KeyPair = issuer, expiresAtS = SOON / 1000 + 3600): GroupMemberClientOptions['keysFor'] {
  const credential = makeCwt(keys.publicKey, signer.privateKey, { subject: 'lamp', expiresAtS })
  return () => ({ credential, privateKey: keys.privateKey })
}

async function joined(
  net: World,
  name: string,
  keysFor: GroupMemberClientOptions['keysFor'],
): Promise<{ device: Device; client: GroupMemberClient }> {
  const device = net.enrolled(name, 'g1')
  const client = device.member('g1', { keysFor, checkIntervalMs: 0 })
  await net.run(client.join())
  return { device, client }
}

async function talk(net: World, first: GroupMemberClientOptions['keysFor'], second: GroupMemberClientOptions['keysFor']): Promise<void> {
  const lamp = await joined(net, 'lamp', first)
  const knob = await joined(net, 'switch', second)
  await net.run(lamp.client.refreshMembers())
  lamp.device.tree.add('/on', {
    protection: 'required',
    handlers: { GET: ({ peer }) => ({ code: '2.05', payload: utf8(peer?.scheme ?? '') }) },
  })
  const group = knob.device.layer.group('g1')
  const other = lamp.device.layer.group('g1')?.current.senderId
  if (group === undefined || other === undefined) throw new TypeError('not joined')
  for (const security of [group.groupMode(), group.pairwise(other)]) {
    const answer = await net.run(knob.device.endpoint.request(lamp.device.at, { method: 'GET', path: ['on'], security }))
    expect(text(answer.payload)).toBe('group-oscore')
  }
}

describe('a group with CWTs', () => {
  it('takes those of a trusted issuer, and its members talk in both modes', async () => {
    const net = await start(CredentialFormat.CWT)
    await talk(net, cwt(generateKeyPair('Ed25519')), cwt(generateKeyPair('Ed25519')))
  })

  it.each<readonly [string, (keys: KeyPair) => Uint8Array]>([
    ['of a stranger', (keys) => makeCwt(keys.publicKey, generateKeyPair('P-256').privateKey)],
    ['signed by the newcomer itself', (keys) => makeCwt(keys.publicKey, keys.privateKey)],
    ['out of date', (keys) => makeCwt(keys.publicKey, issuer.privateKey, { expiresAtS: SOON / 1000 - 1 })],
    [
      'not yet in its time',
      (keys) => {
        const claims = decodeCbor(makeCcs(keys.publicKey)) as Map<CborKey, CborValue>
        return encodeSign1(
          {
            protectedHeader: new Map([[1, -7]]),
            unprotectedHeader: new Map(),
            payload: encodeCbor(new Map([...claims, [5, SOON / 1000 + 60]])),
          },
          issuer.privateKey,
        )
      },
    ],
    [
      'with claims changed after it was signed',
      (keys) => {
        const bytes = makeCwt(keys.publicKey, issuer.privateKey, { subject: 'lamp' })
        const at = bytes.findIndex((_, index) => text(bytes.subarray(index, index + 4)) === 'lamp')
        bytes[at] = 0x64
        return bytes
      },
    ],
    ['that is a bare Claims Set', (keys) => makeCcs(keys.publicKey)],
    ['that is a certificate', () => certificate('lamp')],
    ['of no bytes that are anything', () => Uint8Array.of(0x84, 0x40)],
  ])('refuses one %s', async (_name, make) => {
    const net = await start(CredentialFormat.CWT)
    const keys = generateKeyPair('Ed25519')
    expect(await offer(net, make(keys), keys)).toBe(CREDENTIAL)
    expect(net.manager.members('g1')).toEqual([])
  })

  it('has a Group Manager whose own is one, too', async () => {
    const net = await start(CredentialFormat.CWT)
    const { device } = await joined(net, 'lamp', cwt(generateKeyPair('Ed25519')))
    const kdc = await net.run(device.ask({ method: 'GET', path: ['ace-group', 'g1', 'kdc-cred'] }))
    const credential = (decodeCbor(kdc.payload) as ReadonlyMap<number, CborValue>).get(17) as Uint8Array
    const { publicKey } = readCredential(credential, CredentialFormat.CWT)
    expect(decodeSign1(credential).isSignedBy(publicKey)).toBe(true)
  })
})

describe('a group with X.509 certificates', () => {
  it.each([CredentialFormat.X5CHAIN, CredentialFormat.X5BAG])('takes those of a trusted authority (cred_fmt %i)', async (format) => {
    await talk(await start(format), keysOf('lamp'), keysOf('switch'))
  })

  it('takes keys on P-256 in a group with ES256', async () => {
    const net = await start(CredentialFormat.X5CHAIN, -7)
    await joined(net, 'blind', keysOf('blind'))
    expect(net.manager.members('g1')).toMatchObject([{ identity: 'blind', credential: certificate('blind') }])
  })

  it.each(['forged', 'nested', 'blind', 'authority'])(
    'refuses %s: another authority, none, another curve, an authority itself',
    async (name) => {
      const net = await start(CredentialFormat.X5CHAIN)
      const { privateKey, curve = 'Ed25519' } = recorded[name] ?? {}
      const own = privateKey === undefined ? generateKeyPair('Ed25519').privateKey : importPrivateKey(curve, hex(privateKey))
      expect(await offer(net, certificate(name), { privateKey: own, publicKey: publicKeyOf(own) })).toBe(CREDENTIAL)
    },
  )

  it('lets nobody join again once the certificate is out of date, not even with a credential that it knows', async () => {
    const net = await start(CredentialFormat.X5CHAIN)
    const { device } = await joined(net, 'shortlived', keysOf('shortlived'))
    const again = async (): Promise<ClientResponse> => {
      const payload = encodeCbor(
        new Map<CborKey, CborValue>([
          [3, encodeCbor(['g1', 6])],
          [5, certificate('shortlived')],
          [6, new Uint8Array(8)],
        ]),
      )
      return net.run(device.ask({ method: 'POST', path: ['ace-group', 'g1'], payload, contentFormat: 261 }))
    }
    expect((await again()).code).toBe('2.04')
    await net.clock.advance(2 * 86_400_000)
    expect(errorId(await again())).toBe(CREDENTIAL)
  })

  it('has a Group Manager with a certificate of its own, that reads as one', async () => {
    const net = await start(CredentialFormat.X5CHAIN)
    const device = net.enrolled('lamp', 'g1')
    const client = device.member('g1', { keysFor: keysOf('lamp'), checkIntervalMs: 0 })
    await net.run(client.join())
    const kdc = await net.run(device.ask({ method: 'GET', path: ['ace-group', 'g1', 'kdc-cred'] }))
    const credential = (decodeCbor(kdc.payload) as ReadonlyMap<number, CborValue>).get(17)
    expect(credential).toBeInstanceOf(Uint8Array)
    expect(readCredential(credential as Uint8Array, CredentialFormat.X5CHAIN).publicKey.curve).toBe('Ed25519')
  })
})

describe('where nobody is trusted to issue credentials', () => {
  it('there are no groups with them, by the program and by the admin interface (5.03 with error 12)', async () => {
    const net = world()
    for (const credentialFormat of [CredentialFormat.CWT, CredentialFormat.X5BAG, CredentialFormat.X5CHAIN]) {
      expect(() => net.manager.createGroup('g1', { credentialFormat })).toThrow(
        expect.objectContaining({ code: 'crypto.unsupported' }) as Error,
      )
    }
    const device = net.device('administrator')
    net.manager.authorise({ identity: 'administrator', groups: [], admin: [{ names: true, create: true }] })
    const payload = encodeCbor(
      new Map<CborKey, CborValue>([
        [-13, 'g2'],
        [-2, CredentialFormat.CWT],
      ]),
    )
    const refused = await net.run(device.ask({ method: 'POST', path: ['manage'], payload, contentFormat: 261 }))
    expect([refused.code, errorId(refused)]).toEqual(['5.03', 12])
  })

  it('keys that cannot sign have none of these credentials', async () => {
    const net = await start(CredentialFormat.CWT)
    expect(() => net.manager.createGroup('g2', { groupMode: false, credentialFormat: CredentialFormat.CWT })).toThrow(
      expect.objectContaining({ code: 'input.invalid' }) as Error,
    )
  })
})

/** Joins by hand; the error that comes of it. */
async function offer(net: World, credential: Uint8Array, keys: KeyPair): Promise<unknown> {
  const device = net.enrolled('lamp', 'g1')
  const path = ['ace-group', 'g1']
  const hints = decodeCbor((await net.run(device.ask({ method: 'POST', path }))).payload) as ReadonlyMap<number, CborValue>
  const challenge = hints.get(30) as Uint8Array
  const scope = encodeCbor(['g1', 6])
  const nonce = new Uint8Array(8)
  const evidence = makeEvidence(withDefaults({}), keys.privateKey, keys.publicKey, memberPopInput(scope, challenge, nonce))
  const payload = encodeCbor(
    new Map<CborKey, CborValue>([
      [3, scope],
      [5, credential],
      [6, nonce],
      [24, evidence],
    ]),
  )
  return errorId(await net.run(device.ask({ method: 'POST', path, payload, contentFormat: 261 })))
}
