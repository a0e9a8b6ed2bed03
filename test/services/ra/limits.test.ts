// How many live certificates one device and one requester may have at the same time: counted over renewals, in the transaction that issues.
import { describe, expect, it } from 'vitest'
import { AppError, generateSigningKey } from '#main/base/index.ts'
import type { ApprovalPolicy } from '#main/services/ra/index.ts'
import { clientOf, bySecret, createManufacturer, nameOf, openSite, SECRET, signedBy, type Issued, type Site } from './harness.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const NOW = Date.UTC(2026, 0, 5, 8)
const manufacturer = createManufacturer(NOW)
const lamp = manufacturer.device('CN=lamp-1')

async function site(policy: Partial<ApprovalPolicy>): Promise<Site & { readonly clock: VirtualClock }> {
  const clock = new VirtualClock(NOW)
  const ra = { manufacturerAnchors: [manufacturer.root.certificate.bytes], settings: { policy: { mode: 'automatic' as const, ...policy } } }
  return { ...(await openSite({ clock, ra })), clock }
}

async function ask(at: Site, issued: Issued, kind: 'ir' | 'cr' | 'kur' = 'ir'): Promise<Issued> {
  const key = generateSigningKey('P-256')
  const { certificate } = await clientOf(at, signedBy(issued)).enrol(kind, { key, subject: nameOf('CN=lamp-1') })
  return { key, certificate, chain: [] }
}

function refusals(at: Site): unknown[] {
  return at.audit.filter(({ action }) => action === 'ra.refused').map(({ details }) => details.failInfo)
}

const refused = { details: { failInfo: ['notAuthorized'] } }

describe('a device of the list', () => {
  it('has as many as the policy says, and learns what to do about more; the audit has it', async () => {
    const at = await site({ perDevice: 2 })
    await at.desk.preRegister([{ reference: 'row', identities: ['lamp-1'], deviceId: 'dev-1' }], 'test')
    await ask(at, lamp)
    await ask(at, lamp)
    const third = ask(at, lamp)
    await expect(third).rejects.toMatchObject(refused)
    await expect(third).rejects.toThrow(/has 2 certificates already: revoke one/)
    expect(refusals(at)).toEqual(['notAuthorized'])
    expect(at.desk.certificates({ limit: 9 })).toHaveLength(2)
    // The remedy works.
    at.desk.revoke(at.desk.certificates({ limit: 1 })[0]?.serial ?? '', 'superseded', 'test')
    await ask(at, lamp)
  })

  it('renews at its limit: what is replaced makes room, what is over counts no longer', async () => {
    const at = await site({ perDevice: 1 })
    await at.desk.preRegister([{ reference: 'row', identities: ['lamp-1'], deviceId: 'dev-1' }], 'test')
    let current = await ask(at, lamp)
    for (let renewal = 0; renewal < 3; renewal++) current = await ask(at, current, 'kur')
    await expect(ask(at, lamp)).rejects.toMatchObject(refused)
    await at.clock.advance(366 * 86_400_000)
    await ask(at, lamp)
  })

  it('whose two credentials ask counts once', async () => {
    const at = await site({ perDevice: 1 })
    await at.desk.preRegister([{ reference: 'row', identities: ['lamp-1'], secret: SECRET, deviceId: 'dev-1' }], 'test')
    await ask(at, lamp)
    const bySheet = clientOf(at, bySecret('row')).enrol('ir', { key: generateSigningKey('P-256'), subject: nameOf('CN=lamp-1') })
    await expect(bySheet).rejects.toMatchObject(refused)
  })
})

describe('a requester', () => {
  it('does not get more by asking with the certificates that it got', async () => {
    const at = await site({ perRequester: 3 })
    await at.desk.preRegister([{ reference: 'row', identities: ['lamp-1'] }], 'test')
    let newest = lamp
    for (let count = 0; count < 3; count++) newest = await ask(at, newest, 'cr')
    await expect(ask(at, newest, 'cr')).rejects.toMatchObject(refused)
    await expect(ask(at, lamp)).rejects.toMatchObject(refused)
  })

  it('that asks many times at once is counted in the transaction that issues', async () => {
    const at = await site({ perRequester: 2 })
    await at.desk.preRegister([{ reference: 'row', identities: ['lamp-1'] }], 'test')
    const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => ask(at, lamp)))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
    expect(at.desk.certificates({ limit: 9 })).toHaveLength(2)
  })

  it('cannot keep others from theirs: certificates that it never confirms lapse', async () => {
    const at = await site({ perRequester: 1 })
    await at.desk.preRegister([{ reference: 'row', identities: ['lamp-1'] }], 'test')
    const silent = clientOf(at, signedBy(lamp), {
      transport: {
        exchange: async (message) => {
          if (at.desk.certificates({ limit: 1 }).length > 0) throw new AppError('cancelled', 'silent')
          return (await at.authority.handle(message, { source: 'test' })).bytes
        },
        close: () => undefined,
      },
    })
    await silent.enrol('ir', { key: generateSigningKey('P-256'), subject: nameOf('CN=lamp-1') }).catch(() => undefined)
    await expect(ask(at, lamp)).rejects.toMatchObject(refused)
    await at.clock.advance(301_000)
    await ask(at, lamp)
  })

  it('holds for what somebody approves too, who is told why', async () => {
    const at = await site({ mode: 'manual', perRequester: 1 })
    const done = (): Promise<unknown> =>
      clientOf(at, signedBy(lamp)).enrol('ir', { key: generateSigningKey('P-256'), subject: nameOf('CN=lamp-1'), implicitConfirm: true })
    const first = done()
    await waitingFor(at)
    const [{ serial } = { serial: undefined }] = await at.desk.approve(
      at.desk.pending().map(({ id }) => id),
      'Ada',
    )
    for (let polls = 0; polls < 3; polls++) await at.clock.advance(61_000)
    await first
    expect(at.desk.history(serial ?? '').map(({ event, actor }) => [event, actor])).toEqual([
      ['approved', 'Ada'],
      ['issued', 'CN=lamp-1'],
    ])
    await expect(done()).rejects.toMatchObject(refused)
  })
})

async function waitingFor(at: Site): Promise<void> {
  for (let tries = 0; tries < 2000 && at.desk.pending().length === 0; tries++) await new Promise((resolve) => setTimeout(resolve, 2))
}
