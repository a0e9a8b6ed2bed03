// Export, import, export: the same bytes; and an import that is total.
import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, utf8ToText } from '#main/base/index.ts'
import {
  collectSite,
  exportSite,
  importInto,
  parseSiteExport,
  siteFactsOf,
  siteJson,
  siteJsonSchema,
  type SiteDocument,
} from '#main/site/exchange/index.ts'
import { MemoryGroupStore } from '../../support/memory-group-store.ts'
import { MemoryDevices, MemorySecurity, randomSite, type TestSite } from './sites.ts'

const report = { locale: 'en', at: 0, tool: 'Groupwright', revision: 1 } as const

function collect({ facts, devices, groups, security }: TestSite): SiteDocument {
  return collectSite(facts, devices, groups, security)
}

function textOf(bytes: Uint8Array | undefined): string {
  return utf8ToText(bytes ?? new Uint8Array()) ?? 'not UTF-8'
}

function imported(document: SiteDocument): TestSite {
  const site = {
    facts: siteFactsOf(document),
    devices: new MemoryDevices(),
    groups: new MemoryGroupStore(),
    security: new MemorySecurity(),
  }
  importInto(document, site)
  return site
}

/** An export whose one failure has details nested beyond any stack. */
function deepDetails(): string {
  const document = sample()
  const failure = { code: 'x', message: '', retryable: false, details: { deep: 'HERE' } }
  const text = JSON.stringify({ ...document, memberships: [{ ...document.memberships[0], failure }] })
  return text.replace('"HERE"', '['.repeat(100_000) + ']'.repeat(100_000))
}

/** A small site to damage. */
function sample(): SiteDocument {
  const document = fc.sample(
    randomSite
      .map(collect)
      .filter(
        (site) => site.rooms.length > 1 && site.devices.length > 1 && site.applicationGroups.length > 1 && site.memberships.length > 0,
      ),
    { numRuns: 1, seed: 5 },
  )[0]
  return structuredClone(document!)
}

function failureOf(text: string): AppError | undefined {
  try {
    parseSiteExport(text)
    return undefined
  } catch (thrown) {
    if (thrown instanceof AppError) return thrown
    throw thrown
  }
}

function issuesOf(document: unknown): unknown {
  return failureOf(JSON.stringify(document))?.details.issues
}

describe('the JSON export', () => {
  it('is byte-identical after import and export, for any site', () => {
    fc.assert(
      fc.property(randomSite, (site) => {
        const first = siteJson(collect(site))
        const second = siteJson(collect(imported(parseSiteExport(textOf(first)))))
        expect(textOf(second)).toBe(textOf(first))
      }),
    )
  })

  it('does not depend on the order in which a store gives its rows', () => {
    fc.assert(
      fc.property(randomSite, ({ facts, devices, groups, security }) => {
        const turned = {
          facts,
          devices: {
            rooms: () => devices.rooms().toReversed(),
            devices: () => devices.devices().toReversed(),
            links: (id: string) => devices.links(id),
          },
          groups: {
            coapGroups: () => groups.coapGroups().toReversed(),
            applicationGroups: () => groups.applicationGroups().toReversed(),
            memberships: () => groups.memberships().toReversed(),
            testRuns: (limit: number) => groups.testRuns(limit).toReversed(),
          },
          security: {
            securityGroups: () => security.securityGroups().toReversed(),
            protections: () =>
              security
                .protections()
                .toReversed()
                .map((one) => ({ ...one, securityGroupIds: one.securityGroupIds.toReversed() })),
          },
        }
        expect(textOf(siteJson(collectSite(facts, turned.devices, turned.groups, turned.security)))).toBe(
          textOf(siteJson(collectSite(facts, devices, groups, security))),
        )
      }),
    )
  })

  it('satisfies the published JSON Schema, by the judgement of ajv', () => {
    const validate = new Ajv2020({ strict: false }).compile(JSON.parse(siteJsonSchema()))
    fc.assert(
      fc.property(randomSite, (site) => {
        const valid = validate(JSON.parse(textOf(siteJson(collect(site)))))
        expect(validate.errors ?? []).toEqual([])
        expect(valid).toBe(true)
      }),
    )
    expect(validate({ format: 'groupwright-site', version: 2 })).toBe(false)
  })

  it('has its JSON Schema published in docs as it is', () => {
    const published: unknown = JSON.parse(readFileSync(new URL('../../../docs/site-export.schema.json', import.meta.url), 'utf8'))
    expect(published).toEqual(JSON.parse(siteJsonSchema()))
  })

  it('names no channel of this machine, and no write that is under way as sent', () => {
    fc.assert(
      fc.property(randomSite, (site) => {
        const text = textOf(siteJson(collect(site)))
        expect(text).not.toContain('"channelId"')
        expect(text).not.toContain('"outcome": "sent"')
      }),
    )
  })
})

describe('the YAML export', () => {
  it('is the same document in another notation', () => {
    fc.assert(
      fc.property(randomSite, (site) => {
        const document = collect(site)
        const [file] = exportSite(document, 'yaml', report)
        expect(textOf(siteJson(parseSiteExport(textOf(file?.bytes))))).toBe(textOf(siteJson(document)))
      }),
    )
  })
})

describe('reading an export', () => {
  it('fails with an import code on any text, and never otherwise', () => {
    const json = textOf(siteJson(sample()))
    const damaged = fc
      .tuple(fc.nat(json.length), fc.nat(20), fc.string())
      .map(([at, length, insert]) => json.slice(0, at) + insert + json.slice(at + length))
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), damaged), (text) => {
        const failure = failureOf(text)
        if (failure !== undefined) expect(failure.code).toMatch(/^import\.(empty|unreadable|schema-invalid|version-unsupported)$/)
      }),
      { numRuns: 500 },
    )
  })

  it.each([
    ['nothing', '', 'import.empty'],
    ['blanks', ' \uFEFF\n', 'import.empty'],
    ['half a file', '{"format":"groupwright-site","version":1,', 'import.unreadable'],
    ['another format', '{"format":"other"}', 'import.schema-invalid'],
    ['a list', '[]', 'import.schema-invalid'],
    ['a newer version', '{"format":"groupwright-site","version":3,"sites":[]}', 'import.version-unsupported'],
    ['a version that is none', '{"format":"groupwright-site","version":"1"}', 'import.schema-invalid'],
    ['brackets without end', '['.repeat(100_000), 'import.unreadable'],
    ['balanced brackets without end', '['.repeat(100_000) + ']'.repeat(100_000), 'import.schema-invalid'],
    ['details without end', deepDetails(), 'import.unreadable'],
    ['YAML brackets without end', `a: ${'['.repeat(100_000)}`, 'import.unreadable'],
    ['YAML sequences without end', '- '.repeat(100_000), 'import.unreadable'],
    ['a YAML bomb', 'a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nformat: groupwright-site', 'import.unreadable'],
    ['a line of text', 'name,type,room', 'import.schema-invalid'],
  ])('%s is refused with the right code', (_, text, code) => {
    expect(failureOf(text)?.code).toBe(code)
  })

  it('says where the file is wrong', () => {
    const document = sample()
    const wrong = structuredClone(document) as unknown as { devices: Array<Record<string, unknown>>; extra?: boolean }
    wrong.devices[1]!.state = 'asleep'
    wrong.devices[0]!.stateAt = '2026-13-01T00:00:00.000Z'
    expect(issuesOf(wrong)).toMatchObject([{ path: 'devices/0/stateAt' }, { path: 'devices/1/state' }])
    expect(issuesOf({ ...document, extra: true })).toMatchObject([{ path: '', message: expect.stringContaining('extra') as string }])
  })

  it('refuses doubles, references to nothing, rooms within themselves, and groups that break the rules', () => {
    const pathsAfter = (change: (document: SiteDocument) => void): string[] => {
      const document = sample()
      change(document)
      return (issuesOf(document) as Array<{ path: string }>).map((issue) => issue.path)
    }
    expect(pathsAfter((site) => site.devices.push(structuredClone(site.devices[0]!)))).toContain(`devices/${sample().devices.length}/id`)
    expect(pathsAfter((site) => (site.devices[1]!.roomId = 'room-x'))).toEqual(['devices/1/roomId'])
    expect(pathsAfter((site) => (site.memberships[0]!.groupId = 'group-x'))).toEqual(['memberships/0/groupId'])
    expect(pathsAfter((site) => (site.applicationGroups[0]!.coapGroupId = 'x'))).toEqual(['applicationGroups/0/coapGroupId'])
    expect(pathsAfter((site) => (site.applicationGroups[0]!.name = 'a/b'))).toEqual(['applicationGroups/0/name'])
    expect(pathsAfter((site) => (site.coapGroups[0]!.address = '2001:db8::1'))).toEqual(['coapGroups/0/address'])
    expect(pathsAfter((site) => (site.coapGroups[0]!.port = 5684))).toEqual(['coapGroups/0/port'])
    expect(
      pathsAfter((site) => {
        site.rooms[0]!.parentId = site.rooms[1]!.id
        site.rooms[1]!.parentId = site.rooms[0]!.id
      }),
    ).toContain('rooms/0/parentId')
  })

  it('takes a document of version 1, which had no security layer', () => {
    const later = new Set(['securityGroups', 'protections', 'protection'])
    const first = JSON.stringify({ ...sample(), version: 1 }, (key, value: unknown) => (later.has(key) ? undefined : value))
    const document = parseSiteExport(first)
    expect(document).toMatchObject({ version: 2, securityGroups: [], protections: [] })
    expect(document.testRuns.every(({ protection }) => protection === null)).toBe(true)
  })

  it('refuses a security layer that hangs in the air, is called NoSec, or leaves a group unprotected without a reason', () => {
    const site = sample()
    const groupId = site.applicationGroups[0]!.id
    const group: SiteDocument['securityGroups'][number] = {
      id: 'sec-1',
      name: '2.14',
      comment: '',
      roomId: null,
      suite: 'standard',
      algorithms: { groupEncryption: 10, signature: -8, pairwise: 10, hkdf: 5 },
      policy: { rekeyOnJoin: false, rekeyAfterLeaves: 1, rekeyWithinMinutes: 10, lifetimeDays: 30 },
      automatic: false,
      keys: null,
      members: [],
    }
    const paths = (securityGroups: unknown[], protections: unknown[]): unknown =>
      (issuesOf({ ...site, securityGroups, protections }) as Array<{ path: string }> | undefined)?.map(({ path }) => path)
    const protection = { groupId, securityGroupIds: ['sec-1'], reason: null, automatic: false }
    expect(paths([group], [protection])).toBeUndefined()
    expect(paths([{ ...group, name: 'NoSec' }], [])).toEqual(['securityGroups/0/name'])
    expect(paths([group, { ...group, id: 'sec-2' }], [])).toEqual(['securityGroups/1/name'])
    expect(paths([], [protection])).toEqual(['protections/0/securityGroupIds'])
    expect(paths([group], [{ ...protection, securityGroupIds: [] }])).toEqual(['protections/0/reason'])
    expect(paths([group], [{ ...protection, reason: 'why' }])).toEqual(['protections/0/reason'])
    expect(paths([group], [{ ...protection, groupId: 'group-x' }])).toEqual(['protections/0/groupId'])
    expect(paths([{ ...group, masterSecret: '00' }], [])).toEqual(['securityGroups/0'])
  })

  it('gives at most fifty issues and their number', () => {
    const document = sample()
    const device = document.devices[0]!
    const failure = failureOf(JSON.stringify({ ...document, devices: Array.from({ length: 200 }, () => ({ ...device, state: 'x' })) }))
    expect(failure?.details.count).toBe(200)
    expect(failure?.details.issues).toHaveLength(50)
  })
})
