// Scanning labels: matched with the device list, expected, planned as new devices; secrets sealed and never told.
import { describe, expect, test } from 'vitest'
import { AppError } from '#main/base/index.ts'
import type { ScanResult } from '#contract/model.ts'
import { ACTOR, admissionSite, device, join, pledgeOf, type AdmissionSite } from './site.ts'

const KNX = 'KNX:S:00FA10010400;P:LETTUCE'
const ISO = '1PS55812-Y100+41S00015C00002D+3ZEUI:8CF681FFFE000001.P:ABCDEF.PA:994AC'

function scan({ admission }: AdmissionSite, text: string, more: Partial<Parameters<typeof admission.scan>[0]> = {}): readonly ScanResult[] {
  return admission.scan({ text, unknown: 'list', ...more }, ACTOR).results
}

describe('a scanned label', () => {
  test('of a planned device is put to it; of an unknown one it is expected all the same, and makes its row when it joins', () => {
    const site = admissionSite()
    const id = site.inventory.create({ ...device, serial: '00fa10010400' })
    const [first, second] = scan(site, `${KNX}\n${ISO}`)
    expect(first).toMatchObject({ outcome: 'listed', deviceId: id, secretsKept: true, label: { secrets: ['password'] } })
    expect(second).toMatchObject({ index: 1, outcome: 'listed-unplanned', deviceId: null, label: { product: 'S55812-Y100' } })
    site.admission.open({ minutes: 5 }, ACTOR)
    expect(join(site, pledgeOf('00:01:5C:00:00:2D'))).toBe('joined')
    const made = site.inventory.all().find(({ serial }) => serial !== '00fa10010400')
    expect(made).toMatchObject({ state: 'enrolled' })
    expect(site.admission.list({ offset: 0, limit: 10, search: '8cf681' }).rows).toMatchObject([{ deviceId: made?.id, joined: true }])
  })

  test('may be scanned twice, and taken back', () => {
    const site = admissionSite()
    const [first] = scan(site, KNX)
    expect(scan(site, KNX)).toMatchObject([{ outcome: 'already-listed', entryId: first?.entryId }])
    expect(site.admission.feed.get('admission')?.counts).toMatchObject({ listed: 1, missing: 1 })
    expect(site.admission.unlist({ ids: [first?.entryId ?? ''] }, ACTOR)).toEqual({ count: 1 })
    expect(site.admission.secretsOf({ serial: '00FA10010400' })).toBeUndefined()
    expect(scan(site, KNX)).toMatchObject([{ outcome: 'listed-unplanned' }])
  })

  test('of an unknown device is only told, or planned as a new device, as it is wished', () => {
    const site = admissionSite()
    expect(scan(site, KNX, { unknown: 'tell' })).toMatchObject([{ outcome: 'told', entryId: null, secretsKept: false }])
    expect(site.store.labels.size).toBe(0)
    const roomId = site.inventory.createRoom({ parentId: null, kind: 'room', name: '2.14' })
    const [made] = scan(site, ISO, { unknown: 'create', create: { type: 'luminaire', roomId } })
    expect(made).toMatchObject({ outcome: 'created', secretsKept: true })
    expect(site.inventory.get(made?.deviceId ?? '')).toMatchObject({
      name: 'S55812-Y100 00015C00002D',
      type: 'luminaire',
      roomId,
      state: 'expected',
      serial: '00015C00002D',
      eui64: '8cf681fffe000001',
    })
  })

  test('names the device that a person holds it to, unless that one bears another', () => {
    const site = admissionSite()
    const id = site.inventory.create(device)
    const other = site.inventory.create({ ...device, name: 'Light 2', serial: 'OTHER-1' })
    expect(scan(site, KNX, { deviceId: id })).toMatchObject([{ outcome: 'assigned', deviceId: id, secretsKept: true }])
    expect(site.inventory.get(id)).toMatchObject({ serial: '00FA10010400', state: 'expected' })
    expect(scan(site, KNX, { deviceId: other })).toMatchObject([{ outcome: 'mismatch', deviceId: id }])
    expect(scan(site, 'SN: NEW-77', { deviceId: other })).toMatchObject([{ outcome: 'mismatch', deviceId: other }])
    expect(() => scan(site, KNX, { deviceId: 'dev-x' })).toThrow(expect.objectContaining({ code: 'device.not-found' }))
    expect(() => scan(site, `${KNX}\n${ISO}`, { deviceId: id })).toThrow(expect.objectContaining({ code: 'input.invalid' }))
    site.admission.open({ minutes: 5 }, ACTOR)
    expect(join(site, pledgeOf('00FA10010400'))).toBe('joined')
    expect(site.inventory.get(id)?.state).toBe('enrolled')
  })

  test('lets in who waits for it, and says so of who has joined or is refused', () => {
    const site = admissionSite()
    site.admission.open({ minutes: 5 }, ACTOR)
    const pledge = pledgeOf('00FA10010400')
    expect(join(site, pledge)).toBe('join.awaits-decision')
    expect(scan(site, KNX)).toMatchObject([{ outcome: 'waiting-admitted', pledgeKey: pledge.key }])
    expect(join(site, pledge)).toBe('joined')
    expect(scan(site, KNX)).toMatchObject([{ outcome: 'already-joined', pledgeKey: pledge.key }])
    site.admission.deny({ subjects: ['00015C00002D'], reason: 'recalled' }, ACTOR)
    expect(scan(site, ISO)).toMatchObject([{ outcome: 'denied', entryId: null }])
  })

  test('whose two names belong to two devices, or to another device, is on neither', () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: '00015C00002D' })
    site.inventory.create({ ...device, name: 'B', eui64: '8cf681fffe000001' })
    expect(scan(site, ISO)).toMatchObject([{ outcome: 'mismatch', entryId: null }])
    const single = admissionSite()
    const id = single.inventory.create({ ...device, serial: '00015C00002D', eui64: '8cf681fffe0000ff' })
    expect(scan(single, ISO)).toMatchObject([{ outcome: 'mismatch', deviceId: id }])
  })

  test('that may be two things is what the list knows: nothing is guessed', () => {
    const site = admissionSite()
    const id = site.inventory.create({ ...device, eui64: '8cf681fffe000001' })
    const serial = site.inventory.create({ ...device, name: 'B', serial: '1234567' })
    expect(scan(site, '8CF681000001\nS1234567\nS7654321')).toMatchObject([
      { outcome: 'listed', deviceId: id, label: { format: 'mac48' } },
      { outcome: 'listed', deviceId: serial, label: { serial: '1234567' } },
      { outcome: 'listed-unplanned', label: { serial: 'S7654321' } },
    ])
  })

  test('that cannot be read says what is wrong and how such labels look; the others of the paste are taken', () => {
    const site = admissionSite()
    const results = scan(site, `KNX:S:12;P:X\n${KNX}\n???`)
    expect(results.map(({ outcome }) => outcome)).toEqual(['unreadable', 'listed-unplanned', 'unreadable'])
    expect(results[0]).toMatchObject({ problem: { reason: 'wrong-length', format: 'knx', field: 'S', example: 'KNX:S:00FA10010400;P:…' } })
    expect(scan(site, ' \n ')).toMatchObject([{ outcome: 'unreadable', problem: { reason: 'empty' } }])
  })

  test('a paste that cannot be written is not taken at all', () => {
    const site = admissionSite()
    scan(site, KNX)
    site.store.saveEntries = () => {
      throw new AppError('store.disk-full', 'full')
    }
    expect(() => scan(site, `${ISO}\nKNX:S:00FA10010400;P:OTHER\nSN: LAMP-1`)).toThrow(expect.objectContaining({ code: 'store.disk-full' }))
    Reflect.deleteProperty(site.store, 'saveEntries')
    expect(site.admission.list({ offset: 0, limit: 10, search: '' }).total).toBe(1)
    expect(site.admission.secretsOf({ serial: '00FA10010400' })).toEqual({ password: 'LETTUCE' })
    expect(scan(site, ISO)).toMatchObject([{ outcome: 'listed-unplanned' }])
  })

  test('the same label twice in one paste is one label, and plans one device', () => {
    const site = admissionSite()
    const results = scan(site, `${KNX}\n${KNX}\n00:FA:10:01:04:00`, { unknown: 'create', create: { type: 'luminaire', roomId: null } })
    expect(results.map(({ outcome }) => outcome)).toEqual(['created', 'already-listed', 'already-listed'])
    expect(site.inventory.all()).toHaveLength(1)
    expect(site.store.labels.size).toBe(1)
  })

  test('five thousand in one paste are taken, more are refused', () => {
    const site = admissionSite()
    const lines = Array.from({ length: 5000 }, (_, index) => `SN: LAMP-${String(index)}`)
    expect(scan(site, lines.join('\n')).every(({ outcome }) => outcome === 'listed-unplanned')).toBe(true)
    expect(() => scan(site, [...lines, 'SN: ONE-MORE'].join('\n'))).toThrow(expect.objectContaining({ code: 'input.too-large' }))
    expect(site.admission.list({ offset: 4990, limit: 100, search: '' })).toMatchObject({ total: 5000, rows: { length: 10 } })
  })
})

describe('secrets of labels', () => {
  test('are sealed, come back after a restart, and are nowhere else', async () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: '00015C00002D' })
    const results = scan(site, ISO)
    await site.clock.advance(2000)
    const told = JSON.stringify([
      results,
      site.audit,
      site.admission.feed.rows(),
      site.admission.pledgeFeed.rows(),
      site.admission.list({ offset: 0, limit: 10, search: '' }),
      [...site.store.labels.values()].map((entry) => ({ ...entry, sealed: new TextDecoder().decode(entry.sealed ?? undefined) })),
    ])
    expect(told).not.toContain('994AC')
    expect(told).not.toContain('ABCDEF')
    const again = site.reopen()
    expect(again.admission.secretsOf({ eui64: '8cf681fffe000001' })).toEqual({ password: '994AC', joiningCredential: 'ABCDEF' })
    expect(again.admission.secretsOf({ serial: '00015c00002d' })).toEqual({ password: '994AC', joiningCredential: 'ABCDEF' })
  })

  test('do not open under another label', () => {
    const site = admissionSite()
    scan(site, `${KNX}\n${ISO}`)
    const [first, second] = [...site.store.labels.values()]
    if (first === undefined || second === undefined) throw new RangeError('two labels')
    site.store.labels.set(second.id, { ...second, sealed: first.sealed })
    expect(site.reopen().admission.secretsOf({ serial: '00015C00002D' })).toBeUndefined()
  })

  test('are not kept without a keyring, and the result says so; the device is expected all the same', () => {
    const site = admissionSite({ vault: undefined })
    expect(scan(site, KNX)).toMatchObject([{ outcome: 'listed-unplanned', secretsKept: false, label: { secrets: ['password'] } }])
    expect(site.admission.feed.get('admission')).toMatchObject({ secretsReady: false })
    expect([...site.store.labels.values()][0]?.sealed).toBeNull()
  })

  test('go with the device', () => {
    const site = admissionSite()
    const id = site.inventory.create({ ...device, serial: '00FA10010400' })
    scan(site, KNX)
    site.inventory.remove([id])
    expect(site.store.labels.size).toBe(0)
  })
})
