// What the client believes: answers that are changed, swapped, unprotected or signed by the wrong hand, and certificates that are not what was asked for.
import { describe, expect, it } from 'vitest'
import { AppError, generateSigningKey, seededRandom, toHex } from '#main/base/index.ts'
import { Certificate, type CmpClient, type CmpTransport, type Protector } from '#main/services/ra/index.ts'
import type { PkiBody } from '../../../src-main/services/ra/cmp/body.ts'
import { assembleMessage, readMessage, type PkiMessage } from '../../../src-main/services/ra/cmp/message.ts'
import { bareMessage, protectMessage } from '../../../src-main/services/ra/cmp/protection.ts'
import { statusOf } from '../../../src-main/services/ra/cmp/status.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { bySecret, clientOf, createManufacturer, nameOf, openSite, SECRET, signedBy, type Site } from './harness.ts'
import { drive } from './network.ts'

const NOW = Date.UTC(2026, 0, 5, 8)
const manufacturer = createManufacturer(NOW)
const lamp = manufacturer.device('CN=lamp-1')
const random = seededRandom(12)

interface Tampered {
  readonly at: Site
  readonly client: CmpClient
  /** Bodies of the requests that reached the authority. */
  readonly asked: string[]
}

/** An authority whose answers somebody changes on their way. */
async function tampered(
  change: (answer: PkiMessage, at: Site) => Uint8Array | Promise<Uint8Array>,
  protector: Protector = signedBy(lamp),
  anchors?: readonly Uint8Array[],
): Promise<Tampered> {
  const at = await openSite({ clock: new VirtualClock(NOW), ra: { manufacturerAnchors: [manufacturer.root.certificate.bytes] } })
  await at.desk.preRegister([{ reference: 'lamp-1', secret: SECRET, identities: ['lamp-1'] }], 'test')
  const asked: string[] = []
  const transport: CmpTransport = {
    exchange: async (message) => {
      asked.push(readMessage(message).body.type)
      return await change(readMessage((await at.authority.handle(message, { source: 'test' })).bytes), at)
    },
    close: () => undefined,
  }
  return { at, asked, client: clientOf(at, protector, { transport, ...(anchors === undefined ? {} : { anchors }) }) }
}

const enrol = (client: CmpClient): ReturnType<CmpClient['enrol']> =>
  client.enrol('ir', { key: generateSigningKey('P-256'), subject: nameOf('CN=lamp-1') })

/** The same answer with other parts, signed anew by the given hand. */
function again(
  answer: PkiMessage,
  protector: Protector,
  body: PkiBody = answer.body,
  header: Partial<PkiMessage['header']> = {},
): Promise<Uint8Array> {
  const sender =
    protector.kind === 'signature' ? ({ kind: 'directory', name: protector.certificate.subject } as const) : answer.header.sender
  return protectMessage({ ...answer.header, sender, ...header }, body, protector, random)
}

describe('an answer', () => {
  it('that nobody has touched is believed', async () => {
    const { client, asked } = await tampered(({ bytes }) => bytes)
    await enrol(client)
    expect(asked).toEqual(['ir', 'certConf'])
  })

  it('with any bit changed is not', async () => {
    let at = 0
    let refused = 0
    for (; at < 1200; at += 97) {
      const { client, asked } = await tampered(({ bytes }) => {
        const changed = bytes.slice()
        changed[at % changed.length]! ^= 1 << (at % 8)
        return changed
      })
      const outcome = await enrol(client).then(
        () => 'believed',
        (thrown: unknown) => (thrown instanceof AppError ? thrown.code : String(thrown)),
      )
      // Behind the protected part stand certificates that nobody needs.
      if (outcome !== 'believed') {
        expect(['ra.rejected']).toContain(outcome)
        expect(asked).toEqual(['ir'])
        refused++
      }
    }
    expect(refused).toBeGreaterThan(7)
  })

  it.each([
    ['of another transaction', (header: PkiMessage['header']) => ({ ...header, transactionID: new Uint8Array(16) })],
    ['with another nonce', (header: PkiMessage['header']) => ({ ...header, recipNonce: new Uint8Array(16) })],
    ['without a nonce', (header: PkiMessage['header']) => ({ ...header, recipNonce: undefined })],
    ['of an unknown version', (header: PkiMessage['header']) => ({ ...header, pvno: 9 })],
  ])('%s is not believed, though the authority has signed it', async (_, change) => {
    const { client } = await tampered((answer, at) => again(answer, at.ca.active.signer, answer.body, change(answer.header)))
    await expect(enrol(client)).rejects.toMatchObject({ code: 'ra.rejected' })
  })

  it('without protection is not believed, unless it is an error, which it says to be one', async () => {
    const bare = await tampered((answer) => assembleMessage({ ...answer, protection: undefined }))
    await expect(enrol(bare.client)).rejects.toMatchObject({
      code: 'ra.rejected',
      message: expect.stringContaining('not protected') as string,
    })
    const error = await tampered(({ header }) =>
      bareMessage(header, {
        type: 'error',
        status: statusOf('rejection', 'closed today', 'systemUnavail'),
        errorCode: undefined,
        errorDetails: [],
      }),
    )
    await expect(enrol(error.client)).rejects.toMatchObject({
      code: 'ra.rejected',
      message: expect.stringContaining('closed today') as string,
    })
  })

  it('signed by a device under the very same root is not believed: it is no authority', async () => {
    const { client, at } = await tampered(({ bytes }) => bytes)
    const key = generateSigningKey('P-256')
    const { certificate } = await client.enrol('ir', { key, subject: nameOf('CN=lamp-1') })
    const impostor = signedBy({ key, certificate, chain: [] })
    const other = clientOf(at, impostor, {
      transport: {
        exchange: async (message) => again(readMessage((await at.authority.handle(message, { source: 'test' })).bytes), impostor),
        close: () => undefined,
      },
    })
    await expect(other.currentCrl()).rejects.toMatchObject({ message: expect.stringContaining('not an authority') as string })
    const lenient = clientOf(at, impostor, {
      anySigner: true,
      transport: {
        exchange: async (message) => again(readMessage((await at.authority.handle(message, { source: 'test' })).bytes), impostor),
        close: () => undefined,
      },
    })
    expect(await lenient.currentCrl()).toEqual(at.ca.crl()?.der)
  })

  it('signed by a stranger, or under a wrong secret, is not believed', async () => {
    const stranger = signedBy(createManufacturer(NOW, 'Stranger').device('CN=Site CA'))
    const { client } = await tampered((answer) => again(answer, stranger))
    await expect(enrol(client)).rejects.toMatchObject({ code: 'ra.rejected' })
    const guessing = await tampered((answer) => again(answer, bySecret('lamp-1', 'another secret')), bySecret('lamp-1'))
    await expect(enrol(guessing.client)).rejects.toMatchObject({ message: expect.stringContaining('MAC') as string })
  })
})

describe('a certificate', () => {
  it('for another key is refused, and the authority’s own is not confirmed', async () => {
    const { client, at, asked } = await tampered(async (answer, site) => {
      if (answer.body.type !== 'ip') return answer.bytes
      const other = site.ca.active.signer.certificate.bytes
      const body: PkiBody = {
        ...answer.body,
        type: 'ip',
        caPubs: [],
        responses: [{ certReqId: 0, status: statusOf('accepted'), certificate: other }],
      }
      return await again(answer, site.ca.active.signer, body)
    })
    await expect(enrol(client)).rejects.toMatchObject({ message: expect.stringContaining('another key') as string })
    expect(asked).toEqual(['ir', 'certConf'])
    // The confirmation is for a certificate that this authority has not given: it is not confirmed either.
    expect(at.desk.certificates({ limit: 1 })[0]?.state).not.toBe('valid')
  })

  it('comes with its root under a shared secret only; under a signature no root is taken from an answer', async () => {
    const secret = await tampered(({ bytes }) => bytes, bySecret('lamp-1'), [])
    const { anchors, certificate } = await enrol(secret.client)
    expect(anchors.map(({ bytes }) => toHex(bytes))).toEqual([toHex(secret.at.ca.active.certificate.bytes)])
    expect(certificate.isIssuedBy(new Certificate(secret.at.ca.active.certificate.bytes))).toBe(true)
    const signed = await tampered(({ bytes }) => bytes, signedBy(lamp), [])
    await expect(enrol(signed.client)).rejects.toMatchObject({ code: 'ra.rejected' })
  })
})

describe('waiting', () => {
  it('ends when it is cancelled, and after its time', async () => {
    const clock = new VirtualClock(NOW)
    const at = await openSite({
      clock,
      ra: { manufacturerAnchors: [manufacturer.root.certificate.bytes], settings: { policy: { mode: 'manual' }, checkAfterS: 30 } },
    })
    const stop = new AbortController()
    const cancelled = clientOf(at, signedBy(lamp)).enrol(
      'ir',
      { key: generateSigningKey('P-256'), subject: nameOf('CN=lamp-1'), onWaiting: () => stop.abort() },
      stop.signal,
    )
    await expect(drive(clock, cancelled)).rejects.toMatchObject({ name: 'AbortError' })
    const patient = clientOf(at, signedBy(manufacturer.device('CN=lamp-2')), { maxWaitS: 100 }).enrol('ir', {
      key: generateSigningKey('P-256'),
      subject: nameOf('CN=lamp-2'),
    })
    await expect(drive(clock, patient)).rejects.toMatchObject({ code: 'ra.rejected', retryable: true })
  })
})
