// The demo profile against a device that behaves as docs/demo-devices.md says, and against devices that do not.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, utf8, utf8ToText, type SocketAddress } from '#main/base/index.ts'
import { parseProfile, type DeviceContact, type DeviceProfile } from '#main/site/devices/index.ts'
import { parseLinkFormat } from '#main/wire/coap/index.ts'
import { ScriptedClient, type ScriptedAnswer } from '../../support/scripted-coap.ts'
import { demoLinks, scriptedDemoDevice } from '../../support/scripted-demo-device.ts'

const source = readFileSync(new URL('../../../build/profiles/groupwright-demo.yaml', import.meta.url), 'utf8')
const profile = parseProfile('groupwright-demo.yaml', source)
const at: SocketAddress = { address: 'fd00::17', port: 5683 }
const group = { name: '2.14-light', address: 'ff35:30:fd00::1:1', port: 5683 }

function contactTo(answer: ReturnType<typeof scriptedDemoDevice>['server']): { contact: DeviceContact; client: ScriptedClient } {
  const client = new ScriptedClient()
  client.serve(at, answer)
  return { contact: { client, at }, client }
}

const answering = (answer: ScriptedAnswer): DeviceContact => contactTo(() => answer).contact

describe('the demo profile', () => {
  it('recognises the demo devices by their links, and nothing else', () => {
    expect(profile.recognises(parseLinkFormat(demoLinks('luminaire')))).toBe(true)
    expect(profile.recognises(parseLinkFormat(demoLinks('thermostat')))).toBe(true)
    expect(profile.recognises(parseLinkFormat('</dev>;rt="gw.device"'))).toBe(false)
    expect(profile.recognises(parseLinkFormat('</dev>;rt="other",</groups>;rt="gw.groups"'))).toBe(false)
    expect(profile.recognises([])).toBe(false)
  })

  it('reads the identity', async () => {
    const { contact, client } = contactTo(scriptedDemoDevice().server)
    expect(await profile.readIdentity(contact)).toEqual({
      eui64: '020000fffe000001',
      serial: 'GW-24-00017',
      model: 'Demo Panel 600',
      type: 'luminaire',
    })
    expect(client.requests).toEqual([{ to: at, request: { method: 'GET', path: ['dev'] }, multicast: false }])
  })

  it('writes, reads and removes a membership', async () => {
    const { contact, client } = contactTo(scriptedDemoDevice().server)
    await profile.writeMembership(contact, group)
    expect(await profile.readMemberships(contact)).toEqual([group])
    await profile.writeMembership(contact, { ...group, address: 'ff35:30:fd00::1:2' })
    expect(await profile.readMemberships(contact)).toEqual([{ ...group, address: 'ff35:30:fd00::1:2' }])
    await profile.removeMembership(contact, group)
    await profile.removeMembership(contact, group)
    expect(await profile.readMemberships(contact)).toEqual([])
    const first = client.requests[0]?.request
    expect(first).toMatchObject({ method: 'PUT', path: ['groups', '2.14-light'], contentFormat: 50 })
    expect(utf8ToText(first?.payload ?? utf8(''))).toBe('{"a":"ff35:30:fd00::1:1","p":5683}')
  })

  it('keeps a name with a slash, braces or umlauts in one path segment', async () => {
    const { contact } = contactTo(scriptedDemoDevice().server)
    for (const name of ['a/b', '{seconds}', '{{x}}', 'Büro %41', ' ']) {
      await profile.writeMembership(contact, { ...group, name })
      expect((await profile.readMemberships(contact)).at(-1)?.name).toBe(name)
    }
  })

  it('tells the code and the diagnostic text when the group table is full', async () => {
    const { contact } = contactTo(scriptedDemoDevice().server)
    for (let index = 0; index < 8; index++) await profile.writeMembership(contact, { ...group, name: `g${index}` })
    const failure: unknown = await profile.writeMembership(contact, group).catch((thrown: unknown) => thrown)
    expect(failure).toMatchObject({
      code: 'profile.reply-unexpected',
      retryable: false,
      details: { code: '4.09', text: 'group table full', request: 'PUT /groups/2.14-light' },
    })
  })

  it('lets time-outs through as they are, so that they can be tried again', async () => {
    const contact: DeviceContact = { client: new ScriptedClient(), at }
    await expect(profile.readMemberships(contact)).rejects.toMatchObject({ code: 'coap.timeout', retryable: true })
    await expect(profile.readBack(contact, 'on', group)).rejects.toMatchObject({ code: 'coap.timeout' })
  })

  it('makes a device show itself for so many seconds', async () => {
    const device = scriptedDemoDevice()
    await profile.identify(contactTo(device.server).contact, 10)
    expect(device.identified).toEqual(['10'])
  })

  it('describes the requests as they would be sent', () => {
    expect(profile.describe('add', group)).toEqual(['PUT coap://device/groups/2.14-light  {"a":"ff35:30:fd00::1:1","p":5683}'])
    expect(profile.describe('update', group)).toEqual(profile.describe('add', group))
    expect(profile.describe('remove', { ...group, name: 'Büro/1' })).toEqual(['DELETE coap://device/groups/B%C3%BCro%2F1'])
  })

  it('builds the group request of each action and reads back what it should have done', async () => {
    const cases = [
      ['on', 'luminaire', { on: true }, { on: true }],
      ['off', 'luminaire', { on: false }, { on: false }],
      ['up', 'blind', { position: 0 }, { position: 0 }],
      ['down', 'blind', { position: 100 }, { position: 100 }],
      ['comfort', 'thermostat', { mode: 'comfort' }, { mode: 'comfort' }],
      ['eco', 'thermostat', { mode: 'eco' }, { mode: 'eco' }],
      ['blink', 'switch', { blink: 3 }, { blinking: true }],
    ] as const
    for (const [action, type, payload, effect] of cases) {
      const request = profile.groupRequest(action, group)
      expect(request).toMatchObject({ method: 'PUT', path: ['gp', '2.14-light', 'state'], contentFormat: 50 })
      expect(JSON.parse(utf8ToText(request?.payload ?? utf8('')) ?? '')).toEqual(payload)
      const device = scriptedDemoDevice({ eui64: '020000fffe000002', serial: 'S', model: 'M', type })
      const { contact } = contactTo(device.server)
      Object.assign(device.state, effect)
      expect(await profile.readBack(contact, action, group)).toBe('as-commanded')
      for (const name of Object.keys(effect)) device.state[name] = 'elsewhere'
      expect(await profile.readBack(contact, action, group)).toBe('different')
    }
    expect(profile.actions.find(({ id }) => id === 'blink')?.types).toHaveLength(5)
    expect(profile.groupRequest('explode', group)).toBeUndefined()
  })

  it('says unreadable where the state cannot tell: toggle, missing values, error responses', async () => {
    const { contact } = contactTo(scriptedDemoDevice().server)
    expect(await profile.readBack(contact, 'toggle', group)).toBe('unreadable')
    expect(await profile.readBack(contact, 'eco', group)).toBe('unreadable')
    expect(await profile.readBack(answering({ code: '4.05' }), 'on', group)).toBe('unreadable')
    expect(await profile.readBack(answering({ code: '2.05', text: 'on' }), 'on', group)).toBe('unreadable')
  })

  it('refuses group tables that are none, and writes addresses as the project does (RFC 5952)', async () => {
    const table = (json: unknown): Promise<unknown> =>
      profile.readMemberships(answering({ code: '2.05', json })).catch((thrown: unknown) => thrown)
    expect(await table([{ n: 'x', a: 'FF35:0030:FD00:0:0:0:1:1' }])).toEqual([{ name: 'x', address: 'ff35:30:fd00::1:1', port: 5683 }])
    for (const bad of [
      {},
      'text',
      7,
      [{}],
      [{ n: 'x', a: 'localhost', p: 1 }],
      [{ n: 'x', a: 'ff02::1', p: 0 }],
      [{ n: 1, a: 'ff02::1', p: 1 }],
      [null],
    ]) {
      expect(await table(bad)).toMatchObject({ code: 'profile.reply-unexpected' })
    }
    expect(await table(Array.from({ length: 1001 }, () => ({ n: 'x', a: 'ff02::1', p: 1 })))).toMatchObject({
      code: 'profile.reply-unexpected',
    })
  })

  it('refuses names that cannot be a path segment (RFC 7252 §5.10)', async () => {
    const { contact, client } = contactTo(scriptedDemoDevice().server)
    for (const name of ['.', '..', 'x'.repeat(256)]) {
      await expect(profile.writeMembership(contact, { ...group, name })).rejects.toMatchObject({ code: 'group.name-invalid' })
    }
    expect(client.requests).toEqual([])
  })
})

describe('any answer', () => {
  const reads: ReadonlyArray<(profile: DeviceProfile, contact: DeviceContact) => Promise<unknown>> = [
    (p, contact) => p.readIdentity(contact),
    (p, contact) => p.readMemberships(contact),
    (p, contact) => p.readBack(contact, 'on', group),
    (p, contact) => p.writeMembership(contact, group),
  ]

  it('becomes a value or a typed failure, whatever its bytes', async () => {
    const code = fc.constantFrom('2.01', '2.04', '2.05', '4.04', '5.03')
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.json().map(utf8))
    await fc.assert(
      fc.asyncProperty(code, bytes, async (replyCode, payload) => {
        const contact = answering({ code: replyCode, payload })
        for (const read of reads) {
          const outcome: unknown = await read(profile, contact).catch((thrown: unknown) => thrown)
          if (outcome instanceof Error) {
            expect(outcome).toBeInstanceOf(AppError)
            expect(outcome).toMatchObject({ code: 'profile.reply-unexpected', retryable: replyCode === '5.03' })
          }
        }
      }),
    )
  })
})
