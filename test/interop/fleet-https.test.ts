// Pushes to a receiver by HTTPS that is Node's own server behind a certificate authority made on the spot (RFC 9110, RFC 8446).
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { AppError, silentLogger, seededRandom, systemClock } from '#main/base/index.ts'
import { createJobs } from '#main/site/jobs/index.ts'
import { chainPem } from '../masa/pki.ts'
import { addTarget, httpsReceiver, httpsSettings, makePki, parcelOf, pemOfKey, pushBench, rootPem } from './fleet-bench.ts'

const pki = makePki()
const pinned = { anchors: rootPem(pki) }
const first = parcelOf('bundle', '{"a":1}')
const second = parcelOf('bundle', '{"a":2}')

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    (thrown: unknown) => (thrown instanceof AppError ? thrown.code : String(thrown)),
  )
}

describe('a push by HTTPS', () => {
  test('is confirmed by reading it back, and goes once: with an idempotency key, then only over what it replaced', async () => {
    const receiver = await httpsReceiver(pki)
    const bench = pushBench()
    const id = addTarget(bench, httpsSettings(receiver.url, pinned))
    expect((await bench.push(id, [first])).map(({ state }) => state)).toEqual(['ok'])
    expect(receiver.resources.get('/site')?.toString()).toBe('{"a":1}')
    expect(receiver.received.map(({ method }) => method)).toEqual(['PUT', 'GET'])
    expect(receiver.received[0]?.headers).toMatchObject({
      'idempotency-key': `"${first.sha256}"`,
      'if-none-match': '*',
      'content-type': 'application/json',
    })
    // What is there already is not sent again.
    expect((await bench.push(id, [first])).map(({ state }) => state)).toEqual(['skipped'])
    expect(receiver.received).toHaveLength(2)
    expect((await bench.push(id, [second])).map(({ state }) => state)).toEqual(['ok'])
    expect(receiver.received[2]?.headers['if-match']).toMatch(/^"[0-9a-f]{16}"$/)
  })

  test('tells the digest of what is in it (RFC 9530), also where a bundle is known by another one', async () => {
    const receiver = await httpsReceiver(pki)
    const bench = pushBench()
    const known = { ...first, sha256: 'ab'.repeat(32) }
    expect((await bench.push(addTarget(bench, httpsSettings(receiver.url, pinned)), [known])).map(({ state }) => state)).toEqual(['ok'])
    const digest = createHash('sha256').update(first.bytes).digest('base64')
    expect(receiver.received[0]?.headers).toMatchObject({
      'idempotency-key': `"${known.sha256}"`,
      'content-digest': `sha-256=:${digest}:`,
    })
  })

  test('does not write over what somebody else has put there', async () => {
    const receiver = await httpsReceiver(pki)
    const bench = pushBench()
    const id = addTarget(bench, httpsSettings(receiver.url, pinned))
    receiver.resources.set('/site', Buffer.from('of somebody else'))
    const [item] = await bench.push(id, [first])
    expect(item).toMatchObject({ state: 'failed', failure: { code: 'push.conflict' } })
    expect(receiver.resources.get('/site')?.toString()).toBe('of somebody else')
  })

  test('finds that it had arrived where only the answer was lost', async () => {
    const receiver = await httpsReceiver(pki)
    const bench = pushBench()
    const id = addTarget(bench, httpsSettings(receiver.url, pinned))
    let dropped = 0
    receiver.interfere = ({ method }) => (method === 'PUT' && dropped++ === 0 ? 'drop' : undefined)
    expect((await bench.push(id, [first])).map(({ state }) => state)).toEqual(['ok'])
    expect(receiver.received.map(({ method }) => method)).toEqual(['PUT', 'PUT', 'GET'])
  }, 30_000)

  test('is tried again while the server has trouble of its own, and not where it refuses', async () => {
    const receiver = await httpsReceiver(pki)
    const bench = pushBench({ attempts: 2 })
    const id = addTarget(bench, httpsSettings(receiver.url, pinned))
    let trouble = 1
    receiver.interfere = ({ method }) => (method === 'PUT' && trouble-- > 0 ? 503 : undefined)
    expect((await bench.push(id, [first]))[0]?.state).toBe('ok')
    receiver.interfere = () => 403
    const [item] = await bench.push(id, [second])
    expect(item).toMatchObject({ state: 'failed', failure: { code: 'push.refused', details: { status: 403, why: 'not now' } } })
  }, 30_000)

  test('goes on after the program has ended in the middle of it, with what it was started for', async () => {
    const receiver = await httpsReceiver(pki)
    const bench = pushBench({ attempts: 1 })
    const id = addTarget(bench, httpsSettings(`${receiver.url}/`, { ...pinned, content: 'td' }))
    const parcels = Array.from({ length: 12 }, (_, index) => parcelOf(`urn:dev:${index}`, `{"id":${index}}`))
    let left = 5
    receiver.interfere = ({ method }) => (method === 'PUT' && left-- <= 0 ? 'drop' : undefined)
    const items = await bench.push(id, parcels)
    expect(items.some(({ state }) => state === 'failed')).toBe(true)
    receiver.interfere = () => undefined
    await bench.jobs.close()
    // Another process takes the file up.
    const again = pushBench({}, bench.file)
    const failed = again.jobs.feed.rows()[0]
    const retried = again.jobs.retryFailed(failed!.id)
    expect((await again.jobs.finished(retried)).counts).toMatchObject({ failed: 0, pending: 0 })
    expect([...receiver.resources.keys()].sort()).toEqual(parcels.map(({ name }) => `/site/${encodeURIComponent(name)}`).sort())
  }, 30_000)

  test('of a job that was under way is resumed at the next start', async () => {
    const receiver = await httpsReceiver(pki)
    const bench = pushBench()
    const id = addTarget(bench, httpsSettings(receiver.url, pinned))
    bench.store.saveParcels([first])
    const random = seededRandom(9)
    const before = createJobs({ store: bench.file.jobs, clock: systemClock, random, logger: silentLogger })
    before.register({
      kind: 'push',
      concurrency: 1,
      run: (_subject, { signal }) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(new AppError('cancelled', 'ended')))),
    })
    const jobId = before.start('push', 'Fleet', [{ subject: `${id} ${first.sha256} ${first.name}`, label: first.name }])
    await before.close()
    const after = pushBench({}, bench.file)
    after.jobs.resumeUnfinished()
    expect((await after.jobs.finished(jobId)).counts.ok).toBe(1)
    expect(receiver.resources.has('/site')).toBe(true)
  }, 40_000)

  test('shows the credentials that were given, and tells when they are not taken', async () => {
    const bearer = await httpsReceiver(pki, { authorization: 'Bearer token-1' })
    const bench = pushBench()
    const right = httpsSettings(bearer.url, { ...pinned, auth: 'bearer' })
    expect(await codeOf(bench.pushes.test(right, { secret: 'token-1' }))).toBe('done')
    expect(await codeOf(bench.pushes.test(right, { secret: 'token-2' }))).toBe('push.refused')
    const basic = await httpsReceiver(pki, { authorization: `Basic ${Buffer.from('me:pässword').toString('base64')}` })
    const named = httpsSettings(basic.url, { ...pinned, auth: 'basic', user: 'me' })
    expect(await codeOf(bench.pushes.test(named, { secret: 'pässword' }))).toBe('done')
  })

  test('shows a client certificate where the server asks for one', async () => {
    const receiver = await httpsReceiver(pki, { clientCertificate: true })
    const bench = pushBench({ attempts: 1 })
    const bare = httpsSettings(receiver.url, pinned)
    expect(await codeOf(bench.pushes.test(bare, {}))).toBe('push.unreachable')
    const own = { ...bare, auth: 'certificate' as const, certificate: chainPem([pki.client.certificate]) }
    const id = addTarget(bench, own, pemOfKey(pki.client.key))
    expect((await bench.push(id, [first]))[0]?.state).toBe('ok')
  })

  test('goes to nobody whose certificate does not lead to a trusted authority, and to no other name', async () => {
    const receiver = await httpsReceiver(pki)
    const bench = pushBench({ attempts: 1 })
    expect(await codeOf(bench.pushes.test(httpsSettings(receiver.url), {}))).toBe('push.untrusted')
    const other = rootPem(makePki())
    expect(await codeOf(bench.pushes.test(httpsSettings(receiver.url, { anchors: other }), {}))).toBe('push.untrusted')
    const byAnotherName = receiver.url.replace('localhost', '127.0.0.2')
    expect(await codeOf(bench.pushes.test(httpsSettings(byAnotherName, pinned), {}))).toMatch(/^push\.(?:untrusted|unreachable)$/)
    expect(receiver.received).toEqual([])
    const closed = 'https://localhost:9/site'
    expect(await codeOf(bench.pushes.test(httpsSettings(closed, pinned), {}))).toBe('push.unreachable')
  })

  test('by POST is taken, not confirmed: nothing can be read back', async () => {
    const receiver = await httpsReceiver(pki)
    const bench = pushBench()
    const id = addTarget(bench, httpsSettings(receiver.url, { ...pinned, method: 'POST' }))
    expect((await bench.push(id, [first]))[0]).toMatchObject({ state: 'warning', failure: { code: 'push.unverified' } })
    expect((await bench.push(id, [first]))[0]?.state).toBe('skipped')
  })
})
