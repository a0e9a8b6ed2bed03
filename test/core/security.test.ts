// Security groups of a site from end to end: protected by default, members join, tests go under Group OSCORE, who is evicted hears nothing.
// draft-ietf-core-groupcomm-bis-18 §2.1.4, §4, §5; draft-ietf-ace-key-groupcomm-oscore-21.
import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AppError } from '#main/base/index.ts'
import { collectSite, parseSiteExport } from '#main/site/exchange/index.ts'
import { securitySite } from './security-bench.ts'
import { temporaryFolder } from '../support/site-file.ts'

function codeOf(work: () => unknown): string {
  try {
    work()
    return 'done'
  } catch (thrown) {
    return thrown instanceof AppError ? thrown.code : String(thrown)
  }
}

describe('a group of devices that can join', () => {
  it('is protected by default, its members join with the apply, and the test goes under Group OSCORE', async () => {
    const site = await securitySite({ devices: 4, types: ['luminaire', 'luminaire', 'luminaire', 'switch'] })
    const { engine } = site.security
    const members = site.inventory.all().map(({ id }) => id)
    const groupId = site.groups.createApplication({ name: '2.14-light', members })
    expect(engine.feeds.protections.get(groupId)).toMatchObject({ mode: 'secured', automatic: true, reason: null })
    const [group] = engine.feeds.groups.rows()
    expect(group).toMatchObject({ name: '2.14-light', suite: 'standard', outcome: 'planned', wanted: 4, joined: 0, generation: null })
    expect(engine.feeds.plan.rows().map(({ change, blocked }) => [change, blocked])).toEqual(Array(4).fill(['join', null]))
    // Nothing is sent unprotected before there are keys.
    expect(codeOf(() => site.bench.run(groupId, 'on', 1))).toBe('security.not-ready')

    const job = await site.apply()
    expect(job.counts).toMatchObject({ ok: 8, failed: 0 })
    expect(engine.feeds.groups.rows()[0]).toMatchObject({ outcome: 'confirmed', joined: 4, wanted: 4, toolIsMember: true })
    expect(engine.feeds.members.rows().map(({ outcome, requester, responder }) => [outcome, requester, responder])).toEqual([
      ['confirmed', false, true],
      ['confirmed', false, true],
      ['confirmed', false, true],
      ['confirmed', true, true],
    ])
    expect(engine.feeds.plan.size).toBe(0)

    const run = await site.test(groupId)
    expect(run).toMatchObject({ state: 'done', protection: '2.14-light', strangers: 0 })
    expect(run.members.map(({ verdict }) => verdict)).toEqual(['heard', 'heard', 'heard'])
    expect(site.devices.map(({ on }) => on)).toEqual([true, true, true, true])
  })

  it('does not obey what is not protected, once it is bound to a security group (§5.1)', async () => {
    const site = await securitySite({ devices: 2 })
    const groupId = site.groups.createApplication({ name: 'light', members: site.inventory.all().map(({ id }) => id) })
    await site.apply()
    site.security.engine.protect([groupId], { mode: 'nosec', reason: 'a demonstration' })
    expect(site.security.engine.feeds.protections.get(groupId)).toMatchObject({ mode: 'nosec', reason: 'a demonstration' })
    const run = await site.test(groupId)
    expect(run.protection).toBeUndefined()
    expect(run.members.map(({ verdict }) => verdict)).toEqual(['not-changed', 'not-changed'])
    expect(site.devices.map(({ ignored }) => ignored)).toEqual([1, 1])
    // Told to leave, they take unprotected requests again: that was chosen.
    await site.apply()
    const after = await site.test(groupId)
    expect(after.members.map(({ verdict }) => verdict)).toEqual(['heard', 'heard'])
    expect(site.devices.every(({ groups }) => groups.size === 0)).toBe(true)
  })

  it('sends nothing, and is shown as an error, where no member can join and nobody has chosen NoSec (§4)', async () => {
    const site = await securitySite({ devices: 2, places: () => 0 })
    const groupId = site.groups.createApplication({ name: 'light', members: site.inventory.all().map(({ id }) => id) })
    await site.clock.advance(200)
    const { feeds } = site.security.engine
    expect(feeds.protections.get(groupId)?.mode).toBe('open')
    expect(feeds.findings.rows()).toMatchObject([{ rule: 'nosec-open', severity: 'error', section: 'draft-ietf-core-groupcomm-bis-18 §4' }])
    // Unprotected is never what just happens.
    expect(codeOf(() => site.bench.run(groupId, 'on', 1))).toBe('security.not-chosen')
    site.security.engine.protect([groupId], { mode: 'nosec', reason: 'read-only temperatures' })
    await site.clock.advance(200)
    expect(codeOf(() => site.bench.run(groupId, 'on', 1))).toBe('done')
    expect(feeds.findings.rows()).toMatchObject([
      { rule: 'nosec-chosen', severity: 'warning', params: { reason: 'read-only temperatures' } },
    ])
  })

  it('shows capacity before anything is written, and does not try what cannot fit', async () => {
    const site = await securitySite({ devices: 1, places: () => 1 })
    const [device] = site.inventory.all()
    const deviceId = device?.id ?? ''
    site.groups.createApplication({ name: 'a', members: [deviceId] })
    site.groups.createApplication({ name: 'b', members: [deviceId] })
    await site.clock.advance(200)
    const { feeds } = site.security.engine
    expect(feeds.devices.rows()).toMatchObject([{ supported: true, enrolled: true, places: 1, needed: 2 }])
    expect(feeds.plan.rows().map(({ blocked }) => blocked)).toContain('no-place')
    expect(feeds.findings.rows().find(({ rule }) => rule === 'capacity-exceeded')).toMatchObject({ params: { needed: 2, places: 1 } })
    expect((await site.apply()).counts).toMatchObject({ failed: 0 })
  })

  it('names what failed where a device cannot join, and joins it with the next apply', async () => {
    const site = await securitySite({ devices: 2 })
    const [bad] = site.devices
    if (bad === undefined) throw new TypeError('no device')
    bad.joinsFail = true
    site.groups.createApplication({ name: 'light', members: site.inventory.all().map(({ id }) => id) })
    expect((await site.apply()).counts.failed).toBe(1)
    const row = site.security.engine.feeds.members.rows().find(({ deviceId }) => deviceId === site.idOf(bad))
    expect(row).toMatchObject({
      outcome: 'failed',
      keys: 'none',
      failure: { code: 'security.join-failed', details: { reason: 'no memory for keys' } },
    })
    bad.joinsFail = false
    bad.groups.clear()
    expect((await site.apply()).counts).toMatchObject({ ok: 1, failed: 0 })
    expect(site.security.engine.feeds.members.rows().every(({ outcome }) => outcome === 'confirmed')).toBe(true)
  })

  it('is unknown where the answer of a device was lost, and settled when the Group Manager hears of it', async () => {
    const site = await securitySite({ devices: 1 })
    const [device] = site.devices
    if (device === undefined) throw new TypeError('no device')
    site.groups.createApplication({ name: 'light', members: [site.idOf(device)] })
    await site.clock.until(site.jobs.finished(site.jobs.start('apply', 'groups', site.groups.applyItems())))
    device.power = false
    expect((await site.apply()).counts.failed).toBe(1)
    expect(site.security.engine.feeds.members.rows()).toMatchObject([{ outcome: 'unknown', failure: { code: 'coap.timeout' } }])
    device.power = true
    expect((await site.apply()).counts).toMatchObject({ ok: 1 })
  })
})

describe('the size of a protected request', () => {
  it('is told with option, tag and countersignature, at most a few bytes above what is sent, and in frames (groupcomm-bis-18 §3.9.2)', async () => {
    const site = await securitySite({ devices: 2 })
    const groupId = site.groups.createApplication({ name: 'light', members: site.inventory.all().map(({ id }) => id) })
    await site.apply()
    const group = site.groups.coapFeed.rows()[0]
    const ear = site.network.channel({ address: 'fd00::eeee', port: group?.port ?? 5683 })
    ear.joinGroup(group?.address ?? '')
    const sizes: number[] = []
    ear.subscribe((event) => {
      if (event.kind === 'datagram') sizes.push(event.datagram.payload.length)
    })
    const run = await site.test(groupId)
    const sent = Math.max(...sizes)
    expect(sent).toBeGreaterThan(80)
    expect(run.messageBytes).toBeGreaterThanOrEqual(sent)
    // The Partial IV is reckoned with its longest form.
    expect(run.messageBytes - sent).toBeLessThanOrEqual(8)
    // AES-CCM-16-64-128 has a tag of 8 bytes, Ed25519 a signature of 64.
    expect(run.protectionBytes).toBeGreaterThanOrEqual(8 + 64)
    expect(run.frames).toBe(2)
    site.security.engine.protect([groupId], { mode: 'nosec', reason: 'to compare' })
    const bare = await site.test(groupId)
    expect(bare.protectionBytes).toBeUndefined()
    expect(bare.frames).toBe(1)
    expect(run.messageBytes - bare.messageBytes).toBe(run.protectionBytes)
    await ear.close()
  })
})

describe('a security group that has keys', () => {
  it('goes over to another suite with new keys for all, but not to one that signs with other keys, and takes another policy without any', async () => {
    const site = await securitySite({ devices: 2 })
    site.groups.createApplication({ name: 'light', members: site.inventory.all().map(({ id }) => id) })
    await site.apply()
    const { engine } = site.security
    const id = engine.feeds.groups.rows()[0]?.id ?? ''
    const before = engine.feeds.groups.get(id)
    engine.update(id, { policy: { rekeyAfterLeaves: 3, lifetimeDays: 7 } })
    expect(engine.feeds.groups.get(id)).toMatchObject({ generation: before?.generation, policy: { rekeyAfterLeaves: 3, lifetimeDays: 7 } })
    engine.update(id, { suite: 'long-tag' })
    const after = engine.feeds.groups.get(id)
    expect(after).toMatchObject({ suite: 'long-tag', generation: (before?.generation ?? 0) + 1 })
    expect(after?.gid).toMatch(/^([0-9a-f]{2})+$/)
    expect(after?.gid).not.toBe(before?.gid)
    await site.until(() => engine.feeds.groups.get(id)?.current === 2)
    // The window leaves these out, and the Group Manager refuses them.
    expect(codeOf(() => engine.update(id, { suite: 'p256' }))).toBe('input.invalid')
    expect(engine.feeds.groups.get(id)?.suite).toBe('long-tag')
    expect(codeOf(() => engine.update(id, { name: 'another' }))).toBe('security.name-fixed')
  })

  it('is handed over with version and Gid of its keys and its members, and with nothing that a key could be made of', async () => {
    const site = await securitySite({ devices: 2 })
    site.groups.createApplication({ name: 'light', members: site.inventory.all().map(({ id }) => id) })
    await site.apply()
    const { exported, engine } = site.security
    const facts = {
      id: 's',
      kind: 'network' as const,
      details: { name: 's', organisation: '', address: '', operator: '' },
      createdAt: 0,
      demo: null,
    }
    const document = collectSite(facts, site.file.devices, site.file.groups, exported)
    const row = engine.feeds.groups.rows()[0]
    expect(document.securityGroups).toMatchObject([
      {
        name: 'light',
        suite: 'standard',
        algorithms: { groupEncryption: 10, signature: -8, pairwise: 10, hkdf: 5 },
        keys: { generation: row?.generation, gid: row?.gid },
      },
    ])
    expect(document.securityGroups[0]?.members.map(({ keys, responder }) => [keys, responder])).toEqual([
      ['told', true],
      ['told', true],
    ])
    expect(document.protections).toMatchObject([{ securityGroupIds: [row?.id], reason: null, automatic: true }])
    expect(parseSiteExport(JSON.stringify(document))).toEqual(document)
  })
})

describe('keys', () => {
  it('are new for all members on demand, and members that were away get theirs when they are back', async () => {
    const site = await securitySite({ devices: 3 })
    const groupId = site.groups.createApplication({ name: 'light', members: site.inventory.all().map(({ id }) => id) })
    await site.apply()
    const { engine } = site.security
    const id = engine.feeds.groups.rows()[0]?.id ?? ''
    const [away] = site.devices
    if (away === undefined) throw new TypeError('no device')
    away.power = false
    const before = engine.feeds.groups.get(id)?.generation ?? 0
    expect(engine.rekey(id)).toBe(before + 1)
    await site.until(() => engine.feeds.groups.get(id)?.current === 2)
    await site.clock.advance(5000)
    expect(
      engine.feeds.members
        .rows()
        .map(({ keys }) => keys)
        .toSorted(),
    ).toEqual(['behind', 'current', 'current'])
    expect(engine.feeds.findings.rows().find(({ rule }) => rule === 'members-behind')).toMatchObject({ params: { count: 1 } })
    away.power = true
    await site.until(() => engine.feeds.groups.get(id)?.current === 3, 900_000)
    expect(engine.feeds.groups.get(id)).toMatchObject({ current: 3, generation: before + 1 })
    expect((await site.test(groupId)).members.map(({ verdict }) => verdict)).toEqual(['heard', 'heard', 'heard'])
  })

  it('are taken from evicted members, whose effect is told before; the others go on (§5.2)', async () => {
    const site = await securitySite({ devices: 4 })
    const groupId = site.groups.createApplication({ name: 'light', members: site.inventory.all().map(({ id }) => id) })
    await site.apply()
    const { engine } = site.security
    const id = engine.feeds.groups.rows()[0]?.id ?? ''
    const [thief, ...rest] = site.devices
    if (thief === undefined) throw new TypeError('no device')
    const deviceId = site.idOf(thief)
    const effect = engine.evictionEffect(id, [deviceId])
    expect(effect).toMatchObject({
      losers: [{ deviceId, isMember: true }],
      applicationGroups: ['light'],
      remaining: 3,
      unreachable: 0,
      messages: 3,
    })
    expect(effect.airTimeMs).toBeGreaterThan(50)
    engine.evict(id, [deviceId])
    await site.until(() => engine.feeds.groups.get(id)?.current === 3)
    expect(engine.feeds.groups.get(id)).toMatchObject({ wanted: 3, joined: 3, current: 3 })
    expect(site.groups.book.cell(deviceId, groupId)?.desired).toBe(false)
    const run = await site.test(groupId)
    expect(run.members.map(({ verdict }) => verdict)).toEqual(['heard', 'heard', 'heard'])
    expect(rest.every(({ on }) => on)).toBe(true)
    expect(thief.on).toBe(false)
  })

  it('never stand in the site file in the clear, and another keyring opens none of them', async () => {
    const folder = temporaryFolder()
    const site = await securitySite({ devices: 2, folder })
    site.groups.createApplication({ name: 'light', members: site.inventory.all().map(({ id }) => id) })
    await site.apply()
    const { path, devices, network, clock } = site
    await site.close()
    const thief = await securitySite({ again: { path, devices, network, clock }, settings: join(folder, 'thief'), seed: 7 })
    expect(thief.security.stateFeed.rows()).toMatchObject([{ state: 'locked', enrolled: 0, failure: { code: 'security.locked' } }])
    const { engine } = thief.security
    const [group] = engine.feeds.groups.rows()
    expect(group).toMatchObject({ name: 'light', toolIsMember: false })
    expect(codeOf(() => engine.rekey(group?.id ?? ''))).toBe('security.locked')
    expect(codeOf(() => thief.bench.run(group?.groupIds[0] ?? '', 'on', 1))).toBe('security.locked')
    await thief.close()
    expect(readFileSync(join(folder, 'settings/keyring.json'), 'utf8')).toContain('"protection":"file"')
  })

  it('outlive the program: after a restart the tool joins anew, is introduced, and is heard at once', async () => {
    const folder = temporaryFolder()
    const site = await securitySite({ devices: 3, folder })
    const members = site.inventory.all().map(({ id }) => id)
    const groupId = site.groups.createApplication({ name: 'light', members })
    site.groups.createApplication({ name: 'blind', members })
    await site.apply()
    const generations = (of: typeof site): unknown =>
      Object.fromEntries(of.security.engine.feeds.groups.rows().map(({ name, generation }) => [name, generation]))
    const before = generations(site)
    const { path, devices, network, clock } = site
    await site.close()
    const again = await securitySite({ again: { path, devices, network, clock }, folder, seed: 8 })
    const { groups } = again.security.engine.feeds
    await again.until(() => groups.rows().every(({ toolIsMember }) => toolIsMember), 10_000)
    expect(groups.rows().map(({ joined, toolIsMember }) => [joined, toolIsMember])).toEqual([
      [3, true],
      [3, true],
    ])
    // Opening a site is no reason to trouble anybody with new keys.
    expect(generations(again)).toEqual(before)
    expect((await again.test(groupId)).members.map(({ verdict }) => verdict)).toEqual(['heard', 'heard', 'heard'])
  })

  it('are new in a copy of the file, where the tool joins every group again', async () => {
    const folder = temporaryFolder()
    const site = await securitySite({ devices: 2, folder })
    const members = site.inventory.all().map(({ id }) => id)
    for (const name of ['light', 'blind', 'heat', 'air']) site.groups.createApplication({ name, members })
    await site.apply()
    const { path, devices, network, clock } = site
    await site.close()
    const copy = join(folder, 'copy.gws')
    copyFileSync(path, copy)
    // The copy knows nothing of what the original sends from here on.
    const original = await securitySite({ again: { path, devices, network, clock }, folder, seed: 8 })
    await original.until(() => original.security.engine.feeds.groups.rows().every(({ toolIsMember }) => toolIsMember), 20_000)
    await original.close()
    const again = await securitySite({ again: { path: copy, devices, network, clock }, folder, seed: 9 })
    const { groups } = again.security.engine.feeds
    // Before anything would be tried a second time: no join may stand in the way of another.
    await again.until(() => groups.rows().every(({ toolIsMember }) => toolIsMember), 1500)
    expect(groups.rows().map(({ toolIsMember }) => toolIsMember)).toEqual(Array(4).fill(true))
  })
})

describe('relations', () => {
  it('one security group may protect several application groups, and one application group have several (§2.1.4)', async () => {
    const site = await securitySite({ devices: 2 })
    const [a = '', b = ''] = site.inventory.all().map(({ id }) => id)
    const { engine } = site.security
    const light = site.groups.createApplication({ name: 'light', members: [a] })
    const blind = site.groups.createApplication({ name: 'blind', members: [a, b] })
    const shared = engine.create({ name: 'floor 2', groupIds: [light, blind] })
    const second = engine.create({ name: 'guests', suite: 'p256' })
    engine.protect([light], { mode: 'secured', securityGroupIds: [shared, second] })
    await site.clock.advance(200)
    expect(engine.feeds.groups.get(shared)).toMatchObject({ groupIds: expect.arrayContaining([light, blind]) as unknown, wanted: 2 })
    const rules = engine.feeds.findings.rows().map(({ rule, severity }) => `${severity} ${rule}`)
    expect(rules).toContain('info several-algorithms')
    expect(rules).toContain('info shared-by-groups')
    // The groups that the tool had made by itself protect nothing any more.
    expect(rules).toContain('warning unused')
    engine.update(second, { suite: 'standard' })
    await site.clock.advance(200)
    expect(engine.feeds.findings.rows().find(({ rule }) => rule === 'several-for-access')).toMatchObject({ severity: 'warning' })
  })

  it('nothing is called NoSec in any letters, names are taken once and stay once there are keys, and nothing in use is removed', async () => {
    const site = await securitySite({ devices: 1 })
    const { engine } = site.security
    for (const name of ['NoSec', 'nosec', 'NOSEC', 'No-Sec', 'n o s e c', ''])
      expect(codeOf(() => engine.create({ name }))).toBe('group.name-invalid')
    const id = engine.create({ name: 'floor' })
    expect(codeOf(() => engine.create({ name: 'floor' }))).toBe('group.name-taken')
    engine.update(id, { name: 'floor 2' })
    const light = site.groups.createApplication({ name: 'light', members: site.inventory.all().map(({ id: device }) => device) })
    engine.protect([light], { mode: 'secured', securityGroupIds: [id] })
    expect(codeOf(() => engine.remove(id))).toBe('group.in-use')
    await site.apply()
    expect(codeOf(() => engine.update(id, { name: 'other' }))).toBe('security.name-fixed')
    engine.protect([light], { mode: 'nosec', reason: 'being taken down' })
    expect(codeOf(() => engine.remove(id))).toBe('group.in-use')
    await site.apply()
    engine.remove(id)
    expect(engine.feeds.groups.get(id)).toBeUndefined()
  })
})
