// A site goes from one laptop to the next: the bundle, the keys in it, who may send from then on, and what the old copy does (docs/adr/0012).
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openWriters } from '../../src-main/core/installation.ts'
import { testProgram, type TestProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

const details = { name: 'Office', organisation: 'Blue Quay', address: 'Pier 4', operator: 'M. Lind' }
const secrets = {
  masterSecret: '00112233445566778899aabbccddeeff',
  masterSalt: '0123456789abcdef',
  deviceSenderId: 'aa01',
  toolSenderId: 'bb',
}

interface Laptop extends TestProgram {
  readonly home: string
}

function laptop(home = temporaryFolder()): Laptop {
  const started = testProgram(home)
  onTestFinished(() => started.program.close())
  return { ...started, home }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    (thrown: unknown) => (thrown as { readonly code: string }).code,
  )
}

/** A site with an authority, a device that shares keys with the tool, and a group. */
async function office(): Promise<Laptop> {
  const first = laptop()
  const { session } = first
  await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
  await session.call('ra.createRoot', { subject: 'CN=Office CA', algorithm: 'P-256' })
  const device = { name: 'Lamp', type: 'luminaire' as const, roomId: null, eui64: '02-00-00-ff-fe-00-00-01', serial: null }
  const { id } = await session.call('devices.create', device)
  await session.call('groups.createApplication', { name: '2.14-light', members: [id] })
  await session.call('security.enrol', { deviceId: id, ...secrets })
  return first
}

async function exported({ session, program }: Laptop, format: 'bundle' | 'json', receiver?: string): Promise<string> {
  const [row] = await session.call('handover.export', { formats: [format], ...(receiver === undefined ? {} : { receiver }) })
  return readFileSync(program.exportPath(row!.handle)!, 'utf8')
}

async function handedOver() {
  const first = await office()
  const second = laptop()
  const { jwk, thumbprint } = await second.session.call('fleet.receiverKey', {})
  const text = await exported(first, 'bundle', jwk)
  const { rootFingerprint: root } = await second.session.call('fleet.inspect', { text })
  return { first, second, text, root, thumbprint }
}

describe('a bundle on another laptop', () => {
  it('says what it is before anything is made of it', async () => {
    const { first, second, text } = await handedOver()
    const facts = await second.session.call('fleet.inspect', { text })
    expect(facts).toMatchObject({
      siteName: 'Office',
      devices: 1,
      groups: 1,
      root: 'CN=Office CA',
      epoch: 1,
      secrets: 'ours',
      relation: 'unknown',
    })
    expect(facts.holder).toBe((await first.session.call('fleet.receiverKey', {})).thumbprint)
    expect(second.session.rows('session')[0]?.site).toBeNull()
    expect(await first.session.call('fleet.inspect', { text })).toMatchObject({ secrets: 'others', relation: 'same' })
  })

  it('holds no secret that can be read, and none at all unless a receiver is named', async () => {
    const { first, text } = await handedOver()
    const payloadOf = (bundle: string): string => Buffer.from((JSON.parse(bundle) as { payload: string }).payload, 'base64url').toString()
    for (const secret of [secrets.masterSecret, Buffer.from(secrets.masterSecret, 'hex').toString('base64url')])
      expect(payloadOf(text)).not.toContain(secret)
    expect(payloadOf(await exported(first, 'bundle'))).toContain('"secrets":null')
  })

  it('becomes the site with its devices, keys and authority, under a writer of its own with fresh sender contexts', async () => {
    const { first, second, text, root, thumbprint } = await handedOver()
    const json = await exported(first, 'json')
    const anchors = first.session.rows('ra')[0]?.authorities
    await second.session.call('fleet.importBundle', { text, root, takeOver: true })
    expect(second.session.rows('writer')).toMatchObject([{ state: 'writer', epoch: 2, holder: thumbprint, self: thumbprint }])
    expect(second.session.rows('security')).toMatchObject([{ state: 'ready', enrolled: 1 }])
    expect(second.session.rows('ra')[0]?.authorities).toEqual(anchors)
    expect(second.session.rows('ra')[0]?.state).toBe('ready')
    expect(await exported(second, 'json')).toBe(json)
    // Signed under the same authority: the other side can judge it.
    expect((await second.session.call('fleet.inspect', { text: await exported(second, 'bundle') })).rootFingerprint).toBe(root)
    expect((await second.session.call('audit.page', { limit: 20 })).map(({ action }) => action)).toContain('fleet.importBundle')
  })

  it('ends what the old copy may do once that has seen it, until somebody takes the site back', async () => {
    const { first, second, text, root } = await handedOver()
    await second.session.call('fleet.importBundle', { text, root, takeOver: true })
    const newer = await exported(second, 'bundle')
    const [group] = first.session.rows('applicationGroups')
    const verify = (): Promise<unknown> => first.session.call('groups.verify', { groupIds: [group!.id] })
    expect(await codeOf(verify())).toBe('done')
    expect((await first.session.call('fleet.inspect', { text: newer })).relation).toBe('newer')
    await first.session.when('writer', ({ state }) => state === 'taken-over')
    expect(first.session.rows('writer')).toMatchObject([{ epoch: 2, failure: { code: 'site.taken-over' } }])
    const refused = [
      verify(),
      first.session.call('test.run', { groupId: group!.id, action: 'on', repeats: 1 }),
      first.session.call('apply.start', {}),
      first.session.call('maintenance.run', { operation: { kind: 'rename', groupId: group!.id, name: 'Foyer' } }),
      first.session.call('walk.start', {}),
      first.session.call('discovery.start', {}),
      exported(first, 'bundle'),
    ]
    expect(await Promise.all(refused.map(codeOf))).toEqual(Array(7).fill('site.taken-over'))
    // Not even the edit that comes before the job.
    expect(first.session.rows('applicationGroups')).toMatchObject([{ name: '2.14-light' }])
    // Nothing protected can be sent: the keys are not even opened.
    expect(first.session.rows('security')).toMatchObject([{ state: 'off', failure: { code: 'site.taken-over' } }])
    // It stays so when the file is opened again, and the project can be read.
    await first.session.call('site.close', {})
    await first.program.openSiteFile(join(first.home, 'Office.site'))
    expect(first.session.rows('writer')).toMatchObject([{ state: 'taken-over' }])
    expect(first.session.rows('devices')).toHaveLength(1)
    await first.session.call('fleet.takeOver', {})
    expect(first.session.rows('writer')).toMatchObject([{ state: 'writer', epoch: 3 }])
    expect(first.session.rows('security')).toMatchObject([{ state: 'ready', enrolled: 1 }])
    expect(await codeOf(exported(first, 'bundle'))).toBe('done')
  }, 60_000)

  it('can be taken in for reading alone', async () => {
    const { second, text, root } = await handedOver()
    await second.session.call('fleet.importBundle', { text, root, takeOver: false })
    expect(second.session.rows('writer')).toMatchObject([{ state: 'reader', epoch: 1 }])
    expect(await codeOf(second.session.call('apply.start', {}))).toMatch(/^site\.taken-over$|^job\.nothing-to-do$/)
    expect(second.session.rows('devices')).toHaveLength(1)
  })

  it('is refused under another root than was compared, when tampered with, and when its secrets are for somebody else', async () => {
    const { second, text, root } = await handedOver()
    const call = (input: { text: string; root: string; takeOver: boolean }): Promise<string> =>
      codeOf(second.session.call('fleet.importBundle', input))
    expect(await call({ text, root: 'ab'.repeat(32), takeOver: true })).toBe('bundle.root-differs')
    const jws = JSON.parse(text) as { payload: string }
    const payload = Buffer.from(Buffer.from(jws.payload, 'base64url').toString().replace('Lamp', 'Limp')).toString('base64url')
    expect(await call({ text: JSON.stringify({ ...jws, payload }), root, takeOver: true })).toBe('bundle.signature-invalid')
    const third = laptop()
    const input = { text, root, takeOver: true }
    expect(await codeOf(third.session.call('fleet.importBundle', input))).toBe('bundle.not-for-us')
    expect(third.session.rows('session')[0]?.site).toBeNull()
    expect(await codeOf(third.session.call('fleet.importBundle', { ...input, takeOver: false }))).toBe('done')
    expect(second.session.rows('session')[0]?.site).toBeNull()
  })

  it('that is older than what is known here takes nothing over', async () => {
    const { first, second, text, root } = await handedOver()
    const third = laptop()
    const { jwk } = await third.session.call('fleet.receiverKey', {})
    const forThird = await exported(first, 'bundle', jwk)
    await second.session.call('fleet.importBundle', { text, root, takeOver: true })
    const newer = await exported(second, 'bundle')
    await third.session.call('fleet.importBundle', { text: newer, root, takeOver: false })
    await third.session.call('site.close', {})
    expect(await codeOf(third.session.call('fleet.importBundle', { text: forThird, root, takeOver: true }))).toBe('bundle.older')
  })
})

const target = {
  kind: 'https' as const,
  name: 'Fleet',
  url: 'https://localhost:9/site',
  method: 'PUT' as const,
  content: 'json' as const,
  auth: 'bearer' as const,
  user: '',
  anchors: null,
  certificate: null,
  ditto: { namespace: 'org.example', subject: 'nginx:ditto' },
  receiver: null,
}

describe('roles and the keys of a site', () => {
  /** Engineer and operator have PINs, and neither is at work. */
  async function locked(): Promise<Laptop> {
    const first = await office()
    await first.session.call('access.setPin', { role: 'engineer', pin: '4711' })
    await first.session.call('access.setPin', { role: 'operator', pin: '4712' })
    await first.session.call('access.lock', {})
    return first
  }

  it('go together: keys leave, or come back, only with those who hold both that keys belong to', async () => {
    const { session, ...first } = await locked()
    const { jwk } = await session.call('fleet.receiverKey', {})
    const settings = { ...target, content: 'bundle' as const, receiver: jwk }
    const needed = (work: Promise<unknown>): Promise<unknown> =>
      work.then(
        () => 'done',
        (thrown: unknown) => (thrown as { readonly details: { readonly role: unknown } }).details.role,
      )
    const take = (): Promise<string> => exported({ session, ...first }, 'bundle', jwk)
    expect(await needed(take())).toBe('engineer')
    expect(await codeOf(exported({ session, ...first }, 'bundle'))).toBe('done')
    await session.call('access.unlock', { role: 'engineer', pin: '4711' })
    expect(await needed(take())).toBe('operator')
    expect(await needed(session.call('fleet.saveTarget', { settings }))).toBe('operator')
    expect(await needed(session.call('fleet.saveTarget', { settings: { ...settings, receiver: null } }))).toBe('done')
    await session.call('access.unlock', { role: 'operator', pin: '4712' })
    const { id } = await session.call('fleet.saveTarget', { settings })
    const text = await take()
    const { rootFingerprint: root } = await session.call('fleet.inspect', { text })
    await session.call('access.lock', {})
    await session.call('access.unlock', { role: 'engineer', pin: '4711' })
    expect(await needed(session.call('fleet.push', { id }))).toBe('operator')
    // The same site under another file would be one without PINs.
    expect(await needed(session.call('fleet.importBundle', { text, root, takeOver: true }))).toBe('operator')
    expect(session.rows('writer')).toMatchObject([{ state: 'writer', epoch: 1 }])
  }, 60_000)

  it('go together to the next laptop: the PINs come along with the keys', async () => {
    const first = await locked()
    const second = laptop()
    const { jwk } = await second.session.call('fleet.receiverKey', {})
    await first.session.call('access.unlock', { role: 'engineer', pin: '4711' })
    await first.session.call('access.unlock', { role: 'operator', pin: '4712' })
    const text = await exported(first, 'bundle', jwk)
    const { rootFingerprint: root } = await second.session.call('fleet.inspect', { text })
    await second.session.call('fleet.importBundle', { text, root, takeOver: true })
    expect(second.session.rows('access')[0]?.roles).toEqual([
      { role: 'installer', hasPin: false, held: true },
      { role: 'engineer', hasPin: true, held: false },
      { role: 'operator', hasPin: true, held: false },
    ])
    expect(await codeOf(second.session.call('groups.createCoap', { name: 'g1' }))).toBe('access.role-needed')
    await second.session.call('access.unlock', { role: 'engineer', pin: '4711' })
    expect(await codeOf(second.session.call('groups.createCoap', { name: 'g1' }))).toBe('done')
  }, 60_000)
})

describe('whose word on the writer counts', () => {
  it('is not that of a signer whose certificate was revoked; the next bundle has a new one', async () => {
    const first = await office()
    const { session } = first
    const text = await exported(first, 'bundle')
    const [signer] = await session.call('ra.certificates', { search: 'hand-over', offset: 0, limit: 10 })
    await session.call('ra.revoke', { serial: signer!.serial, reason: 'keyCompromise' })
    expect(await codeOf(session.call('fleet.inspect', { text }))).toBe('bundle.signer-untrusted')
    expect((await session.call('fleet.inspect', { text: await exported(first, 'bundle') })).relation).toBe('same')
  }, 60_000)

  it('is not that of a site of the same id under another authority, which somebody has taken in to read', async () => {
    const { first, second, text, root } = await handedOver()
    await second.session.call('fleet.importBundle', { text, root, takeOver: true })
    const third = laptop()
    const { session } = third
    await session.call('site.import', { text: await exported(first, 'json') })
    await session.call('site.update', { name: 'Other' })
    await session.call('ra.createRoot', { subject: 'CN=Other CA', algorithm: 'P-256' })
    for (let times = 0; times < 5; times++) await session.call('fleet.takeOver', {})
    const foreign = await exported(third, 'bundle')
    const facts = await second.session.call('fleet.inspect', { text: foreign })
    expect(facts).toMatchObject({ siteName: 'Other', epoch: 6, relation: 'unknown' })
    await second.session.call('fleet.importBundle', { text: foreign, root: facts.rootFingerprint, takeOver: false })
    expect(second.session.rows('writer')).toMatchObject([{ state: 'reader', epoch: 6 }])
    await second.program.openSiteFile(join(second.home, 'Office.site'))
    expect(second.session.rows('writer')).toMatchObject([{ state: 'writer', epoch: 2 }])
    expect((await second.session.call('fleet.inspect', { text })).relation).toBe('older')
  }, 60_000)

  it('is one of two that took the same epoch: both laptops agree which', async () => {
    const { first, second, text, root } = await handedOver()
    const third = laptop()
    const { jwk } = await third.session.call('fleet.receiverKey', {})
    const forThird = await exported(first, 'bundle', jwk)
    await second.session.call('fleet.importBundle', { text, root, takeOver: true })
    await third.session.call('fleet.importBundle', { text: forThird, root, takeOver: true })
    const ofSecond = await exported(second, 'bundle')
    const ofThird = await exported(third, 'bundle')
    const told = [
      await second.session.call('fleet.inspect', { text: ofThird }),
      await third.session.call('fleet.inspect', { text: ofSecond }),
    ]
    expect(told.map(({ relation }) => relation)).toEqual(['conflict', 'conflict'])
    const holderOf = ({ session }: Laptop): string => session.rows('writer')[0]!.self
    const [loser, winner] = holderOf(second) < holderOf(third) ? [second, third] : [third, second]
    await loser.session.when('writer', ({ state }) => state === 'taken-over')
    expect(loser.session.rows('writer')).toMatchObject([{ epoch: 2, holder: holderOf(winner) }])
    expect(winner.session.rows('writer')).toMatchObject([{ state: 'writer', epoch: 2 }])
  }, 60_000)

  it('is kept of every site for itself: a row that cannot be read costs the others nothing', () => {
    const folder = temporaryFolder()
    mkdirSync(folder, { recursive: true })
    const good = { epoch: 3, holder: 'b' }
    writeFileSync(join(folder, 'writers.json'), JSON.stringify({ 'site-1 aa': good, 'site-2 aa': { epoch: 2 ** 53, holder: 'b' } }))
    const writers = openWriters(folder)
    const root = new Set(['aa'])
    expect(writers.seen('site-1', root)).toEqual(good)
    expect(writers.seen('site-2', root)).toBeUndefined()
    writers.note('site-1', { epoch: 2, holder: 'c' }, root)
    writers.note('site-2', { epoch: 1, holder: 'c' }, root)
    expect([writers.seen('site-1', root), writers.seen('site-2', root)]).toEqual([good, { epoch: 1, holder: 'c' }])
    expect(writers.seen('site-1', new Set(['bb']))).toBeUndefined()
    expect(writers.seen('site-1', new Set())).toBeUndefined()
  })
})

describe('destinations of a site', () => {
  const settings = target

  it('stay with the site, their secrets sealed and told to nobody', async () => {
    const { session, home, program } = await office()
    const { id } = await session.call('fleet.saveTarget', { settings, secret: 'token-never-told' })
    expect(session.rows('pushTargets')).toEqual([{ id, settings, hasSecret: true, last: null }])
    expect(JSON.stringify(await session.call('audit.page', { limit: 50 }))).not.toContain('token-never-told')
    await session.call('site.close', {})
    expect(readFileSync(join(home, 'Office.site'), 'latin1')).not.toContain('token-never-told')
    await program.openSiteFile(join(home, 'Office.site'))
    expect(session.rows('pushTargets')).toMatchObject([{ id, hasSecret: true }])
    // Settings alone leave the secret as it was.
    await session.call('fleet.saveTarget', { id, settings: { ...settings, name: 'Other' } })
    expect(session.rows('pushTargets')).toMatchObject([{ id, hasSecret: true, settings: { name: 'Other' } }])
    await session.call('fleet.removeTarget', { id })
    expect(session.rows('pushTargets')).toEqual([])
    expect(await codeOf(session.call('fleet.push', { id }))).toBe('push.target-unknown')
  })

  it.each([
    ['another host', { url: 'https://elsewhere.example:9/site' }],
    ['another port', { url: 'https://localhost:10/site' }],
    ['another kind of secret', { auth: 'basic' as const }],
  ])('do not get the secret of the one before with %s', async (_what, change) => {
    const { session } = await office()
    const { id } = await session.call('fleet.saveTarget', { settings, secret: 'token-never-told' })
    await session.call('fleet.saveTarget', { id, settings: { ...settings, url: 'https://localhost:9/other-site' } })
    expect(session.rows('pushTargets')).toMatchObject([{ id, hasSecret: true }])
    await session.call('fleet.saveTarget', { id, settings: { ...settings, ...change } })
    expect(session.rows('pushTargets')).toMatchObject([{ id, hasSecret: false }])
    await session.call('fleet.saveTarget', { id, settings, secret: 'given-anew' })
    expect(session.rows('pushTargets')).toMatchObject([{ id, hasSecret: true }])
  })

  it('that get keys are sent them again when they have changed, and only then', async () => {
    const { session } = await office()
    const receiver = (await session.call('fleet.receiverKey', {})).jwk
    const { id } = await session.call('fleet.saveTarget', { settings: { ...settings, content: 'bundle', receiver }, secret: 't' })
    const [device] = session.rows('devices')
    const pushed = async (): Promise<string> => {
      const { jobId } = await session.call('fleet.push', { id })
      await session.call('jobs.cancel', { jobId })
      const [item] = await session.call('jobs.items', { jobId, offset: 0, limit: 1 })
      return item!.subject
    }
    const revision = session.rows('session')[0]?.site?.revision
    const first = await pushed()
    expect(await pushed()).toBe(first)
    await session.call('security.enrol', { deviceId: device!.id, ...secrets, masterSecret: 'ff'.repeat(16) })
    const second = await pushed()
    expect(session.rows('session')[0]?.site?.revision).toBe(revision)
    expect(second).not.toBe(first)
  }, 60_000)

  it('that cannot be reached are told with the reason, and a push to them is a job that can be cancelled', async () => {
    const { session } = await office()
    const { id } = await session.call('fleet.saveTarget', { settings, secret: 't' })
    expect(await codeOf(session.call('fleet.testTarget', { id }))).toBe('push.unreachable')
    const revision = session.rows('session')[0]?.site?.revision
    const { jobId } = await session.call('fleet.push', { id })
    // It would be tried again for a while.
    await session.call('jobs.cancel', { jobId })
    expect(await session.job(jobId)).toMatchObject({ kind: 'push', title: 'Fleet', state: 'cancelled' })
    await session.when('pushTargets', ({ last }) => last?.state === 'incomplete')
    // Sending the site away changes nothing about it.
    expect(session.rows('session')[0]?.site?.revision).toBe(revision)
  }, 60_000)

  it.each([
    ['plain HTTP', { url: 'http://localhost/site' }],
    ['a password in its URL', { url: 'https://lind:pier4@localhost/site' }],
    ['a token in its URL', { url: 'https://token@localhost/site' }],
    ['a namespace that Ditto has not', { ditto: { namespace: '1a', subject: 'x' } }],
  ])('are not set up with %s', async (_what, change) => {
    const { session } = await office()
    expect(await codeOf(session.call('fleet.saveTarget', { settings: { ...settings, ...change } }))).toBe('input.invalid')
    expect(await codeOf(session.call('fleet.saveTarget', { settings: { ...settings, receiver: 'no key' } }))).toBe('input.invalid')
  })
})
