// Profiles checked, tested and tried before they are trusted: lint with places, tests beside the profile, a trial on a device.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, utf8 } from '#main/base/index.ts'
import {
  capacityOf,
  isProfileName,
  lintProfile,
  parseProfile,
  profileJsonSchema,
  runProfileTests,
  tryProfile,
  type DeviceContact,
  type DeviceProfile,
} from '#main/site/devices/index.ts'
import type { ClientRequest, ClientResponse } from '#main/wire/coap/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')
const demo = read('build/profiles/groupwright-demo.yaml')
const tests = read('build/profiles/groupwright-demo.test.yaml')

/** What is said of the demo profile with one piece replaced, and the line of that piece. */
function lintWith(piece: string, by: string): { readonly said: readonly string[]; readonly line: number } {
  expect(demo).toContain(piece)
  const text = demo.replace(piece, () => by)
  const line = text.slice(0, text.indexOf(by)).split('\n').length
  return { line, said: lintProfile('x.yaml', text).map((found) => `${found.line} ${found.severity} ${found.message}`) }
}

describe('lint', () => {
  it('says of the program’s own profile only that a toggle cannot be read back', () => {
    expect(lintProfile('demo.yaml', demo)).toMatchObject([
      { severity: 'warning', message: expect.stringContaining('no readBack') as string },
    ])
  })

  it.each([
    ['a write that asks', 'method: PUT\n      path: /groups/{group.name}', 'method: GET\n      path: /groups/{group.name}', 'error'],
    ['a read that changes', 'request: { method: GET, path: /groups }', 'request: { method: POST, path: /groups }', 'error'],
    ['an entry without its address', "json: { a: '{group.address}', p: '{group.port}' }", "json: { p: '{group.port}' }", 'error'],
    ['a removal of nobody knows what', "{ method: DELETE, path: '/groups/{group.name}' }", '{ method: DELETE, path: /groups/1 }', 'error'],
    ['a rule that fits every device', '- { rt: gw.groups, href: /groups }', "- { rt: '*' }", 'error'],
    ['a GET with a payload', 'request: { method: GET, path: /dev }', 'request: { method: GET, path: /dev, json: {} }', 'error'],
    ['an action of no device', 'types: [blind]', 'types: [sensor]', 'warning'],
    ['a time that is not sent', "path: /identify, text: '{seconds}'", "path: /identify, text: '1'", 'warning'],
    ['devices that cannot be told apart', '  eui64: /eui64\n  serial: /serial\n', '', 'warning'],
    ['a limit that nobody knows', 'limits: { memberships: 8, keys: 4 }\n', '', 'warning'],
    ['what the schema refuses', 'limits: { memberships: 8, keys: 4 }', 'limits: { memberships: 0 }', 'error'],
  ])('finds %s where it stands', (_, piece, by, severity) => {
    const { said, line } = lintWith(piece, by)
    const mine = said.filter((text) => text.includes(` ${severity} `) && !text.includes('actions.2:'))
    expect(mine).not.toEqual([])
    if (by !== '') expect(Math.min(...mine.map((text) => Math.abs(Number(text.split(' ')[0]) - line)))).toBeLessThanOrEqual(2)
  })

  it('never throws, whatever the text', () => {
    const piece = fc.constantFrom(...demo.split('\n'), '  x: {', '*a', '\t', '---')
    fc.assert(
      fc.property(fc.array(piece), (lines) => {
        for (const { line, column } of lintProfile('x.yaml', lines.join('\n'))) expect(line * column).toBeGreaterThan(0)
      }),
    )
  })
})

it('the JSON Schema in the documentation is the one that the program checks by', () => {
  expect(JSON.parse(read('docs/device-profile.schema.json'))).toEqual(JSON.parse(profileJsonSchema()))
})

it('what a kind of device can hold is told to the rules, and not where it is not known', () => {
  expect(capacityOf(parseProfile('demo.yaml', demo))).toEqual({ memberships: 8, keys: 4 })
  expect(capacityOf(parseProfile('demo.yaml', demo.replace(/^limits:.*\n/m, '')))).toEqual({ memberships: undefined, keys: undefined })
  expect(capacityOf(undefined)).toEqual({ memberships: undefined, keys: undefined })
})

describe('tests beside a profile', () => {
  const run = async (text: string, profile = demo): Promise<ReadonlyArray<string | null>> =>
    (await runProfileTests(parseProfile('demo.yaml', profile), 'demo.test.yaml', text)).map(({ failure }) => failure)

  it('pass for the program’s own, and are not taken for profiles', async () => {
    expect(new Set(await run(tests))).toEqual(new Set([null]))
    expect(['a.yaml', 'a.YML', 'a.test.yaml', 'a.test.yml', 'a.txt'].map(isProfileName)).toEqual([true, true, false, false, false])
  })

  it.each([
    ['another path', 'path: /groups/{group.name}\n      json', 'path: /group/{group.name}\n      json'],
    ['another payload', "json: { a: '{group.address}'", "json: { b: '{group.address}'"],
    ['another pointer', 'serial: /serial', 'serial: /sn'],
    ['another type', 'luminaire: luminaire', 'luminaire: blind'],
    ['another code', "expect: ['2.01', '2.04']", "expect: ['2.04']"],
    ['another recognition', 'rt: gw.device', 'rt: acme.dev'],
  ])('fail with %s', async (_, piece, by) => {
    const results = await run(
      tests,
      demo.replace(piece, () => by),
    )
    expect(results.some((failure) => failure !== null)).toBe(true)
  })

  it('fail where a request is missing, and where a failure is wanted that does not come', async () => {
    const one = (lines: string): string => `profileTest: 1\ntests:\n  - name: x\n${lines}`
    const get = "      - request: { method: GET, path: /dev }\n        response: { code: '2.05', json: {} }\n"
    expect(await run(one(`    do: identity\n    exchanges:\n${get}${get}`))).toEqual(['1 of the requests were not sent'])
    expect(await run(one(`    do: identity\n    exchanges:\n${get}    fails: coap.timeout\n`))).toEqual(['did not fail with coap.timeout'])
    expect(await run(one('    do: identity\n    exchanges: []\n'))).toEqual(['sent GET /dev, which is not expected'])
    const action =
      "    do: action\n    action: on\n    group: { name: a, address: 'ff35::1' }\n    expect: { method: PUT, path: /gp/a/state, json: { on: true } }\n"
    expect(await run(one(action))).toEqual([null])
    expect(await run(one(action.replace('on: true', 'on: false')))).toEqual(['sent PUT /gp/a/state {"on":true}'])
  })

  it('are told with their line, and a broken file too', async () => {
    const [first, second] = await runProfileTests(parseProfile('demo.yaml', demo), 'demo.test.yaml', tests)
    expect(tests.split('\n')[(first?.line ?? 0) - 1]).toContain('knows a demo device')
    expect(tests.split('\n')[(second?.line ?? 0) - 1]).toContain('leaves others alone')
    await expect(run('profileTest: 1\ntests:\n  - name: x\n    do: nothing\n')).rejects.toMatchObject({
      code: 'profile.invalid',
      details: { line: 4 },
    })
  })
})

/** Keeps a group table, and writes down what was asked. */
function demoDevice(): { readonly contact: DeviceContact; readonly asked: string[]; readonly table: Map<string, unknown>; full: boolean } {
  const asked: string[] = []
  const table = new Map<string, unknown>()
  const at = { address: '::1', port: 5683 }
  const device = { contact: undefined as unknown as DeviceContact, asked, table, full: false }
  const json = (value: unknown): readonly [string, string] => ['2.05', JSON.stringify(value)]
  const answer = ({ method, path, payload }: ClientRequest): readonly [string, string] => {
    const where = path.join('/')
    asked.push(`${method} /${where}`)
    if (where === '.well-known/core') return ['2.05', '</dev>;rt="gw.device",</groups>;rt="gw.groups"']
    if (where === 'dev') return json({ serial: 'GW-1', type: 'luminaire' })
    if (where === 'state') return json({ on: true })
    if (where === 'groups') return json([...table.values()])
    if (where === 'identify') return ['2.04', '']
    if (method === 'DELETE') return [table.delete(path[1] ?? '') ? '2.02' : '2.02', '']
    if (device.full) return ['4.09', 'group table full']
    table.set(path[1] ?? '', { n: path[1], ...(JSON.parse(new TextDecoder().decode(payload)) as object) })
    return ['2.01', '']
  }
  device.contact = {
    at,
    client: {
      channelId: 'x',
      request: (_, request) => {
        const [code, text] = answer(request)
        return Promise.resolve({
          code,
          options: [],
          payload: utf8(text),
          contentFormat: undefined,
          source: at,
          elapsedMs: 1,
        } as ClientResponse)
      },
      groupRequest: () => {
        throw new AppError('network.down', 'none')
      },
      groupRequestBytes: () => 0,
    },
  }
  return device
}

describe('a trial on a device', () => {
  const profile = parseProfile('demo.yaml', demo)
  async function tried(of: DeviceProfile, device: ReturnType<typeof demoDevice>, write: boolean): Promise<readonly string[]> {
    const clock = new VirtualClock()
    let over = false
    const work = tryProfile(of, device.contact, { clock, write }).finally(() => {
      over = true
    })
    while (!over) await clock.advance(100)
    return (await work).map(({ step, outcome }) => `${step} ${outcome}`)
  }

  it('only asks', async () => {
    const device = demoDevice()
    const steps = await tried(profile, device, false)
    expect(steps.slice(0, 3)).toEqual(['recognise ok', 'identity ok', 'memberships ok'])
    expect(steps.slice(-2)).toEqual(['identify skipped', 'write skipped'])
    expect(new Set(device.asked.map((request) => request.split(' ')[0]))).toEqual(new Set(['GET']))
  })

  it('writes only where it may, and leaves the table as it was', async () => {
    const device = demoDevice()
    device.table.set('hall', { n: 'hall', a: 'ff35::1', p: 5683 })
    const steps = await tried(profile, device, true)
    expect(steps.slice(-5)).toEqual(['identify ok', 'write ok', 'written ok', 'remove ok', 'removed ok'])
    expect([...device.table.keys()]).toEqual(['hall'])
  })

  it('says what failed, and goes on with what can still be told', async () => {
    const device = demoDevice()
    device.full = true
    expect((await tried(profile, device, true)).slice(-4)).toEqual(['identify ok', 'write failed', 'remove ok', 'removed ok'])
    const stranger = parseProfile('x.yaml', demo.replace('rt: gw.device', 'rt: acme.dev').replace('path: /dev }', 'path: /nowhere }'))
    expect((await tried(stranger, demoDevice(), false)).slice(0, 3)).toEqual(['recognise failed', 'identity failed', 'memberships ok'])
  })
})
