// What people see and decide, and the small engines behind it: pending requests, device lists, group commits, rates, descriptions.
import { describe, expect, it } from 'vitest'
import { AppError, generateSigningKey, sha256, toHex } from '#main/base/index.ts'
import { describeMessage } from '#main/services/ra/index.ts'
import { createRaStore } from '#main/store/index.ts'
import { CommitQueue } from '../../../src-main/services/ra/engine/commits.ts'
import { SourceRates } from '../../../src-main/services/ra/transfer/rates.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { clientOf, createManufacturer, direct, memoryDatabase, nameOf, openSite, SECRET, signedBy, vector } from './harness.ts'

const NOW = Date.UTC(2026, 0, 5, 8)
const manufacturer = createManufacturer(NOW)

describe('pending requests', () => {
  it('show who asks, with which key, for what, and the row of the device list', async () => {
    const clock = new VirtualClock(NOW)
    const at = await openSite({
      clock,
      ra: { manufacturerAnchors: [manufacturer.root.certificate.bytes], settings: { policy: { mode: 'manual' } } },
    })
    await at.desk.preRegister([{ reference: 'row-1', identities: ['SN-1'], deviceId: 'device-9', profile: 'device' }], 'test')
    const key = generateSigningKey('P-384')
    const idevid = manufacturer.device('CN=Lamp, serialNumber=SN-1')
    const stop = new AbortController()
    const running = clientOf(at, signedBy(idevid)).enrol('ir', { key, subject: nameOf('CN=sn-1') }, stop.signal)
    running.catch(() => undefined)
    for (let tries = 0; tries < 2000 && at.desk.pending().length === 0; tries++) await new Promise((resolve) => setTimeout(resolve, 2))
    expect(at.desk.pending()).toMatchObject([
      {
        kind: 'ir',
        requester: { kind: 'idevid', name: 'CN=Lamp, serialNumber=SN-1' },
        subject: 'CN=sn-1',
        keyType: 'P-384',
        keyFingerprint: toHex(sha256(key.spki)),
        profile: 'device',
        listed: true,
        reference: 'row-1',
        deviceId: 'device-9',
        since: NOW,
      },
    ])
    const [outcome] = await at.desk.approve([at.desk.pending()[0]!.id], 'installer')
    expect(at.desk.certificates({ deviceId: 'device-9', limit: 5 }).map(({ serial }) => serial)).toEqual([outcome?.serial])
    stop.abort()
  })

  it('of one device: a newer takes the place of the older', async () => {
    const clock = new VirtualClock(NOW)
    const at = await openSite({
      clock,
      ra: { manufacturerAnchors: [manufacturer.root.certificate.bytes], settings: { policy: { mode: 'manual' }, maxWaiting: 1 } },
    })
    const ask = async (name: string): Promise<readonly string[]> => {
      const stop = new AbortController()
      const seen: Uint8Array[] = []
      const client = clientOf(at, signedBy(devices[name]!), { transport: direct(at, seen) })
      const running = client.enrol('ir', { key: generateSigningKey('P-256'), subject: nameOf(`CN=${name}`) }, stop.signal)
      const failed = running.then(
        () => [],
        (thrown: unknown): readonly string[] =>
          thrown instanceof AppError && Array.isArray(thrown.details.failInfo) ? thrown.details.failInfo.map(String) : [],
      )
      for (let tries = 0; tries < 2000 && seen.length < 4; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 2))
        if (await Promise.race([failed.then(() => true), Promise.resolve(false)])) break
      }
      stop.abort()
      return failed
    }
    const devices: Record<string, ReturnType<typeof manufacturer.device>> = {
      'a-1': manufacturer.device('CN=a-1'),
      'a-2': manufacturer.device('CN=a-2'),
    }
    await ask('a-1')
    const [first] = at.desk.pending()
    await ask('a-1')
    expect(at.desk.pending()).toHaveLength(1)
    expect(at.desk.pending()[0]?.id).not.toBe(first?.id)
    // The list is full for everybody else.
    expect(await ask('a-2')).toEqual(['systemUnavail'])
  })
})

describe('device lists', () => {
  it.each([
    ['an empty reference', { reference: '' }],
    ['a reference with control characters', { reference: 'a\nb' }],
    ['a short secret', { reference: 'a', secret: '1234567' }],
    ['too many identities', { reference: 'a', identities: Array.from({ length: 33 }, (_, index) => String(index)) }],
    ['an end that is over', { reference: 'a', expiresAt: NOW - 1 }],
  ])('with %s are refused whole', async (_, input) => {
    const at = await openSite({ clock: new VirtualClock(NOW) })
    const list = [{ reference: 'good', secret: SECRET }, input]
    await expect(at.desk.preRegister(list, 'test')).rejects.toMatchObject({
      code: 'input.invalid',
      details: { reference: input.reference },
    })
    expect(at.desk.preRegistrations()).toEqual([])
  })

  it('are shown without their secrets, and forgotten one by one', async () => {
    const at = await openSite({ clock: new VirtualClock(NOW) })
    await at.desk.preRegister([{ reference: 'a', secret: SECRET, identities: ['00:24:be:ff:fe:80:4f:f1'] }, { reference: 'b' }], 'test')
    expect(at.desk.preRegistrations()).toMatchObject([
      { reference: 'a', hasSecret: true, identities: ['0024befffe804ff1'] },
      { reference: 'b', hasSecret: false },
    ])
    expect(JSON.stringify(at.desk.preRegistrations())).not.toContain('sealedSecret')
    at.desk.removePreRegistration('a', 'test')
    expect(at.desk.preRegistrations().map(({ reference }) => reference)).toEqual(['b'])
    expect(at.audit.map(({ action }) => action)).toEqual(expect.arrayContaining(['ra.pre-registered', 'ra.removed']))
  })
})

describe('group commits', () => {
  it('share one write; what throws takes back its own part alone', async () => {
    const clock = new VirtualClock(NOW)
    const store = createRaStore(memoryDatabase())
    let commits = 0
    const counting = { ...store, transaction: <Result>(work: () => Result): Result => ((commits += 1), store.transaction(work)) }
    const queue = new CommitQueue(counting, clock)
    const entry = (serial: string): Parameters<typeof store.addHistory>[0] => ({ serial, at: 1, event: 'issued', actor: '', remark: '' })
    const first = queue.add(() => {
      store.addHistory(entry('a'))
      return 1
    })
    const second = queue.add(() => {
      store.addHistory(entry('b'))
      throw new RangeError('no')
    })
    const third = queue.add(() => store.addHistory(entry('c')))
    second.catch(() => undefined)
    expect(store.history('a')).toEqual([])
    await clock.advance(0)
    expect(await first).toBe(1)
    await expect(second).rejects.toThrow('no')
    await third
    expect(['a', 'b', 'c'].map((serial) => store.history(serial).length)).toEqual([1, 0, 1])
    // One around three.
    expect(commits).toBe(4)
  })

  it('that fail answer nobody as if they had succeeded', async () => {
    const clock = new VirtualClock(NOW)
    const store = createRaStore(memoryDatabase())
    const full = {
      ...store,
      transaction: <Result>(work: () => Result): Result => {
        work()
        throw new RangeError('disk full')
      },
    }
    const queue = new CommitQueue(full, clock)
    const lost = queue.add(() => 1)
    lost.catch(() => undefined)
    await clock.advance(0)
    await expect(lost).rejects.toThrow('disk full')
  })
})

describe('rates', () => {
  it('let in what is rested, charge for bytes and work, and stay bounded however many sources there are', async () => {
    const clock = new VirtualClock(NOW)
    const rates = new SourceRates(clock, { burst: 4, perMinute: 60, sources: 10, concurrent: 3 })
    const at = (index: number): { address: string; port: number } => ({ address: `2001:db8::${index}`, port: index })
    const admit = (index: number, bytes = 0): boolean => {
      const admission = rates.admit('c', at(index), bytes)
      if (admission.ok) admission.done()
      return admission.ok
    }
    expect([admit(1), admit(1), admit(1, 9000), admit(1)]).toEqual([true, true, true, false])
    expect(admit(2)).toBe(true)
    await clock.advance(60_000)
    expect(admit(1)).toBe(true)
    for (let index = 10; index < 1000; index++) admit(index)
    expect(rates.size).toBeLessThanOrEqual(10)
    await clock.advance(600_000)
    const running = [1, 2, 3].map((index) => rates.admit('c', at(index), 0))
    expect(rates.admit('c', at(4), 0)).toMatchObject({ ok: false, busy: true })
    for (const one of running) if (one.ok) one.done()
    expect(admit(4)).toBe(true)
  })
})

describe('descriptions', () => {
  it('say what is in a message, and why where it is none', () => {
    expect(describeMessage(vector('openssl-3.6/ir-pbm-implicit/req-1.der'))).toMatchObject({
      body: 'ir',
      pvno: 2,
      protection: 'pbm',
      implicitConfirm: true,
      details: [{ subject: 'O=Test Operator, CN=device-0001', proof: 'signature' }],
    })
    expect(describeMessage(vector('openssl-3.6/err-rejection-ip/rsp-1.der'))).toMatchObject({ body: 'ip', details: [{ status: 2 }] })
    expect(describeMessage(Uint8Array.of(1, 2))).toMatchObject({ body: null, why: expect.stringContaining('DER') as string })
  })
})
