// Transactions with servers above over a restart: what waits, what was answered, what goes on; sealed at rest, each device's own, bounded in time.
import { describe, expect, it } from 'vitest'
import { seededRandom, toHex, utf8 } from '#main/base/index.ts'
import { createUpstreamStore } from '#main/store/index.ts'
import { readMessage } from '../../../src-main/services/ra/cmp/message.ts'
import { bySecret, clientOf, nameOf, SECRET, signedBy } from './harness.ts'
import { vaultOfKey } from './vault.ts'
import { bench, lamp, manufacturer, ra, reached, records, run, wish } from './proxy-bench.ts'

describe('a request that waits for its server', () => {
  it.each(['forward', 'nest', 'replace'] as const)('survives a restart (%s), and its device polls on to its certificate', async (mode) => {
    const at = await bench({ mode, protector: signedBy(ra) }, { retryS: 10, checkAfterS: 5 })
    at.down = true
    const done = at.client(signedBy(lamp)).enrol('ir', wish())
    await reached(() => at.proxy?.holdings.queued === 1 && records(at).length === 1)
    await run(at.clock, 20_000)
    const restarted = await at.restart()
    expect(restarted.holdings).toEqual({ running: 0, queued: 1 })
    await run(at.clock, 20_000)
    at.down = false
    await run(at.clock, 90_000)
    const { certificate } = await done
    expect(certificate.isIssuedBy(at.customer.ca.active.certificate)).toBe(true)
    expect(at.customer.desk.certificates({ limit: 9 })).toHaveLength(1)
    expect(at.customer.desk.certificates({ limit: 9 })[0]?.state).toBe('valid')
    await run(at.clock, 200_000)
    expect(records(at)).toEqual([])
  })

  it('is answered over a restart between answer and poll; the transaction goes on over a new connection', async () => {
    const at = await bench({ mode: 'replace', protector: signedBy(ra) }, { retryS: 10, checkAfterS: 50 })
    at.down = true
    const done = at.client(signedBy(lamp)).enrol('ir', wish())
    await reached(() => at.proxy?.holdings.queued === 1 && records(at).length === 1)
    at.down = false
    await run(at.clock, 15_000)
    await reached(() => records(at)[0]?.state === 'answered')
    const openedBefore = at.opened
    await at.restart()
    await run(at.clock, 60_000)
    expect((await done).certificate.isIssuedBy(at.customer.ca.active.certificate)).toBe(true)
    expect(at.opened).toBe(openedBefore + 1)
    expect(at.arrived.map((bytes) => readMessage(bytes).body.type)).toEqual(['ir', 'certConf'])
  })

  it('keeps its answer until its device goes on: a recorded poll that somebody sends again does not take it away', async () => {
    const at = await bench({ mode: 'forward' }, { retryS: 10, checkAfterS: 30 })
    at.down = true
    const polls: Uint8Array[] = []
    const client = clientOf(at.local, signedBy(lamp), {
      transport: {
        exchange: (message) => {
          if (readMessage(message).body.type === 'pollReq') polls.push(message)
          return at.send(message)
        },
        close: () => undefined,
      },
      anchors: [at.customer.ca.active.certificate.bytes, at.local.ca.active.certificate.bytes],
    })
    const done = client.enrol('ir', wish())
    await reached(() => polls.length === 1)
    at.down = false
    await run(at.clock, 15_000)
    await reached(() => records(at)[0]?.state === 'answered')
    expect(readMessage(await at.send(polls[0]!)).body.type).toBe('ip')
    await run(at.clock, 60_000)
    expect((await done).certificate.isIssuedBy(at.customer.ca.active.certificate)).toBe(true)
  })

  it('is not sent on any more when its device has lost its right meanwhile', async () => {
    const at = await bench({ mode: 'replace', protector: signedBy(ra) }, { retryS: 10, checkAfterS: 5 })
    await at.local.desk.preRegister([{ reference: 'gw-1', secret: SECRET }], 'test')
    at.down = true
    const done = at.client(bySecret('gw-1')).enrol('ir', { ...wish(), subject: nameOf('CN=gw-1') })
    done.catch(() => undefined)
    await reached(() => at.proxy?.holdings.queued === 1 && records(at).length === 1)
    at.local.desk.removePreRegistration('gw-1', 'test')
    await at.restart()
    at.down = false
    await run(at.clock, 60_000)
    await reached(() => records(at)[0]?.state === 'failed')
    expect(at.arrived).toEqual([])
    expect(records(at).map(({ state, failInfo }) => [state, failInfo])).toEqual([['failed', 'badMessageCheck']])
  })

  it('is over in the end, restarts or not, and its device is told why', async () => {
    const at = await bench({ mode: 'forward' }, { retryS: 10, checkAfterS: 60, queueS: 600 })
    at.down = true
    const done = at.client(signedBy(lamp)).enrol('ir', wish())
    done.catch(() => undefined)
    await reached(() => at.proxy?.holdings.queued === 1 && records(at).length === 1)
    for (let restarts = 0; restarts < 3; restarts++) {
      await run(at.clock, 150_000)
      await at.restart()
    }
    await run(at.clock, 2_000_000)
    await expect(done).rejects.toMatchObject({ details: { failInfo: ['systemUnavail'] } })
    expect(records(at)).toEqual([])
  })
})

describe('a transaction under way', () => {
  it.each(['forward', 'nest', 'replace'] as const)('whose answer a kill has lost is answered the same again (%s)', async (mode) => {
    const at = await bench({ mode, protector: signedBy(ra) })
    at.losesAnswer = true
    const { certificate } = await at.client(signedBy(lamp)).enrol('ir', wish())
    expect(certificate.isIssuedBy(at.customer.ca.active.certificate)).toBe(true)
    expect(at.arrived.map((bytes) => readMessage(bytes).body.type)).toEqual(mode === 'nest' ? ['nested', 'nested'] : ['ir', 'certConf'])
    expect(at.customer.desk.certificates({ limit: 9 })).toHaveLength(1)
  })

  it('and its confirmation too: the server is not asked twice', async () => {
    const at = await bench({ mode: 'replace', protector: signedBy(ra) })
    const client = clientOf(at.local, signedBy(lamp), {
      transport: {
        exchange: (message) => {
          at.losesAnswer ||= readMessage(message).body.type === 'certConf' && at.arrived.length === 1
          return at.send(message)
        },
        close: () => undefined,
      },
      anchors: [at.customer.ca.active.certificate.bytes, at.local.ca.active.certificate.bytes],
    })
    await client.enrol('ir', wish())
    expect(at.arrived.map((bytes) => readMessage(bytes).body.type)).toEqual(['ir', 'certConf'])
  })

  it('is nobody else’s after a restart either', async () => {
    const at = await bench({ mode: 'forward' })
    let recorded: Uint8Array | undefined
    const half = clientOf(at.local, signedBy(lamp), {
      transport: {
        exchange: (message) => {
          if (readMessage(message).body.type === 'certConf') throw new RangeError('lost')
          recorded = message
          return at.send(message)
        },
        close: () => undefined,
      },
      anchors: [at.customer.ca.active.certificate.bytes],
    })
    await expect(half.enrol('ir', wish())).rejects.toThrow('lost')
    await at.restart()
    const id = readMessage(recorded!).header.transactionID!
    const stranger = manufacturer.device('CN=lamp-2')
    const random = { ...seededRandom(5), bytes: (count: number) => id.slice(0, count), fraction: () => 0, below: () => 0 }
    const thief = clientOf(at.local, signedBy(stranger), {
      transport: { exchange: at.send, close: () => undefined },
      anchors: [at.customer.ca.active.certificate.bytes, at.local.ca.active.certificate.bytes],
      random,
    })
    await expect(thief.enrol('ir', { ...wish(), subject: nameOf('CN=lamp-2') })).rejects.toMatchObject({
      details: { failInfo: ['transactionIdInUse'] },
    })
  })
})

describe('at rest', () => {
  it('everything is sealed, and what another keyring has sealed is gone', async () => {
    const at = await bench({ mode: 'forward' })
    at.down = true
    at.client(signedBy(lamp))
      .enrol('ir', wish())
      .catch(() => undefined)
    await reached(() => records(at).length === 1)
    const [record] = records(at)
    const text = toHex(record?.sealed ?? new Uint8Array(0))
    expect(text).not.toContain(toHex(utf8('lamp-1')))
    expect(text.length).toBeGreaterThan(500)
    const store = createUpstreamStore(at.database)
    const stranger = vaultOfKey(seededRandom(99).bytes(32), seededRandom(98), 'memory')
    store.saveUpstream({ ...record!, sealed: await stranger.seal(`ra:transaction:${record!.id}`, utf8('forged')) })
    expect((await at.restart()).holdings).toEqual({ running: 0, queued: 0 })
    expect(records(at)).toEqual([])
  })

  it('of servers that are no longer there nothing is taken up', async () => {
    const at = await bench({ mode: 'forward' })
    at.down = true
    at.client(signedBy(lamp))
      .enrol('ir', wish())
      .catch(() => undefined)
    await reached(() => records(at).length === 1)
    expect((await at.restart([])).holdings).toEqual({ running: 0, queued: 0 })
    expect(records(at)).toEqual([])
  })
})
