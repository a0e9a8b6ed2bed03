// Things for other systems, judged by the schemas of those who define them: W3C Thing Descriptions, Eclipse Ditto; and links (RFC 6690).
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { collectSite, dittoMessages, dittoModel, rdLinks, thingDescriptions, type SiteDocument } from '#main/site/exchange/index.ts'
import { DITTO_NAMESPACE } from '#main/site/exchange/fleet/ditto.ts'
import { leaseAfter, leaseAtOpening, takeOver, type SeenWriter, type StoredLease } from '#main/site/exchange/index.ts'
import { linkAttribute, parseLinkFormat } from '#main/wire/coap/index.ts'
import { sampleDocument } from './fleet-bench.ts'
import { randomSite } from './sites.ts'

const vectors = join(import.meta.dirname, '../../vectors/fleet')

function validator(name: string): (value: unknown) => unknown {
  const schema = JSON.parse(readFileSync(join(vectors, name), 'utf8')) as Record<string, unknown>
  // Older dialects say it by names that this judge has not loaded; what they use of them means the same.
  delete schema.$schema
  const validate = new Ajv({ strict: false, allErrors: false, validateFormats: false }).compile(schema)
  return (value) => (validate(JSON.parse(JSON.stringify(value))) ? 'valid' : validate.errors)
}

const documents = randomSite.map(({ facts, devices, groups, security }) => collectSite(facts, devices, groups, security))
const LINKS =
  '</dev>;rt="gw.device";ct=50,</state>;rt="gw.luminaire";if="core.a";ct=50;obs,</sensors/temp>;if="core.s";title="Temperature",</.well-known/core>'

function withLinks(document: SiteDocument): SiteDocument {
  const address = { address: '2001:db8::1', port: 5683, zone: null }
  const [first, ...rest] = document.devices
  return { ...document, devices: first === undefined ? rest : [{ ...first, eui64: '020000fffe000001', links: LINKS, address }, ...rest] }
}

const actions = () => [{ id: 'on', title: 'On', method: 'PUT' as const, path: '/gp/light/state', contentType: 'application/json' }]

describe('Thing Descriptions 1.1', () => {
  const judge = validator('td-json-schema-validation.json')

  it('are valid by the schema of the W3C, for any site', () => {
    fc.assert(
      fc.property(documents, (document) => {
        for (const thing of thingDescriptions(document, actions)) expect([thing.title, judge(thing)]).toEqual([thing.title, 'valid'])
      }),
      { numRuns: 60 },
    )
    // The judge refuses what is none.
    expect(judge({ '@context': 'https://www.w3.org/2022/wot/td/v1.1', title: 'x' })).not.toBe('valid')
  })

  it('tell where each resource is and what may be done with it', () => {
    const [thing] = thingDescriptions(withLinks(sampleDocument()), actions)
    expect(judge(thing)).toBe('valid')
    expect(thing).toMatchObject({
      id: 'urn:dev:mac:020000fffe000001',
      base: 'coap://[2001:db8::1]',
      properties: {
        state: {
          readOnly: false,
          observable: true,
          forms: [
            { href: '/state', op: ['readproperty', 'writeproperty'], contentType: 'application/json' },
            { href: '/state', op: ['observeproperty', 'unobserveproperty'], subprotocol: 'cov:observe' },
          ],
        },
        sensors_temp: { title: 'Temperature', readOnly: true, forms: [{ op: ['readproperty'] }] },
      },
    })
    expect(thing?.properties).not.toHaveProperty('well_known_core')
  })

  it('are one for each device and each group, linked to each other, with ids that no two have', () => {
    const document = sampleDocument()
    const things = thingDescriptions(document, actions)
    const ids = new Set(things.map(({ id }) => id))
    expect(ids.size).toBe(document.devices.length + document.applicationGroups.filter(({ retired }) => !retired).length)
    const links = things.flatMap(({ links: all }) => (Array.isArray(all) ? (all as ReadonlyArray<{ rel: string; href: string }>) : []))
    const desired = document.memberships.filter((cell) => cell.desired)
    expect(links.filter(({ rel }) => rel === 'collection')).toHaveLength(desired.length)
    for (const { rel, href } of links) if (rel === 'item') expect(ids).toContain(href)
    expect(thingDescriptions(document, actions)).toEqual(things)
  })
})

describe('Eclipse Ditto', () => {
  const [policyJudge, thingJudge, envelopeJudge] = ['policy', 'thing_v2', 'protocol-envelope'].map((name) =>
    validator(`ditto-${name}.json`),
  )

  it('takes policy, things and messages by its own schemas, for any site', () => {
    fc.assert(
      fc.property(documents, (document) => {
        const model = dittoModel(document)
        expect(policyJudge!(model.policy)).toBe('valid')
        for (const thing of model.things) expect(thingJudge!(thing)).toBe('valid')
        for (const message of dittoMessages(model)) expect(envelopeJudge!(message)).toBe('valid')
      }),
      { numRuns: 60 },
    )
  })

  it('is told the policy first, and the same message for the same thing', () => {
    const model = dittoModel(withLinks(sampleDocument()), { namespace: 'org.example', subject: 'nginx:owner' })
    const [policy, thing] = dittoMessages(model)
    expect(policy).toMatchObject({ path: '/', value: { entries: { owner: { subjects: { 'nginx:owner': {} } } } } })
    expect(policy?.topic).toMatch(/^org\.example\/[^/]+\/policies\/commands\/modify$/)
    expect(thing?.topic).toMatch(/^org\.example\/[^/]+\/things\/twin\/commands\/modify$/)
    expect(thing).toMatchObject({ value: { features: { state: { properties: { path: '/state', resourceTypes: ['gw.luminaire'] } } } } })
    expect(dittoMessages(model)).toEqual([policy, thing, ...dittoMessages(model).slice(2)])
    expect(new Set(model.things.map(({ thingId }) => thingId)).size).toBe(model.things.length)
    expect([DITTO_NAMESPACE.test('org.example'), DITTO_NAMESPACE.test('1a'), DITTO_NAMESPACE.test('a b')]).toEqual([true, false, false])
  })
})

describe('links of a directory (RFC 9176 §6.2)', () => {
  it('are read back as link format, with an endpoint for each device that was heard and each group', () => {
    fc.assert(
      fc.property(documents, (document) => {
        const links = parseLinkFormat(rdLinks(document))
        const heard = document.devices.filter(({ address }) => address !== null).length
        const groups = document.applicationGroups.filter(({ retired }) => !retired)
        expect(links).toHaveLength(heard + groups.length)
        for (const link of links) {
          expect(linkAttribute(link, 'rt')).toBe('core.rd-ep')
          expect(linkAttribute(link, 'base')).toMatch(/^coap:\/\//)
        }
        const named = links.filter((link) => linkAttribute(link, 'et') === 'core.rd-group').map((link) => linkAttribute(link, 'ep'))
        expect(named).toEqual(groups.map(({ name }) => name))
      }),
      { numRuns: 60 },
    )
  })
})

describe('the lease of the writer', () => {
  const at = 5
  const mine: StoredLease = { epoch: 2, holder: 'a', since: 1, state: 'writer' }

  it('is whose program makes the site, and stays so', () => {
    expect(leaseAtOpening(undefined, undefined, 'a', at)).toEqual({ epoch: 1, holder: 'a', since: at, state: 'writer' })
    expect(leaseAtOpening(mine, { epoch: 2, holder: 'a' }, 'a', at)).toBe(mine)
  })

  it('goes to who opens a copy on another computer, under a higher epoch', () => {
    expect(leaseAtOpening(mine, undefined, 'b', at)).toEqual({ epoch: 3, holder: 'b', since: at, state: 'writer' })
  })

  it('is lost to a higher epoch of somebody else, also by a file that was put back from before', () => {
    const seen: SeenWriter = { epoch: 3, holder: 'b' }
    expect(leaseAfter(mine, seen, 'a')).toMatchObject({ epoch: 3, holder: 'b', state: 'taken-over' })
    expect(leaseAtOpening(mine, seen, 'a', at)).toMatchObject({ epoch: 3, holder: 'b', state: 'taken-over' })
    expect(leaseAfter(mine, { epoch: 1, holder: 'b' }, 'a')).toBeUndefined()
    expect(leaseAfter(mine, { epoch: 9, holder: 'a' }, 'a')).toBeUndefined()
  })

  it('goes, of two programs that took the same epoch, to the one with the greater name, whichever learns of the other', () => {
    const theirs: StoredLease = { ...mine, holder: 'b' }
    expect(leaseAfter(mine, theirs, 'a')).toMatchObject({ epoch: 2, holder: 'b', state: 'taken-over' })
    expect(leaseAtOpening(mine, theirs, 'a', at)).toMatchObject({ epoch: 2, holder: 'b', state: 'taken-over' })
    expect(leaseAfter(theirs, mine, 'b')).toBeUndefined()
    expect(leaseAtOpening(theirs, mine, 'b', at)).toBe(theirs)
  })

  it('is not made for a file without one where somebody else is known to write', () => {
    const seen: SeenWriter = { epoch: 3, holder: 'b' }
    expect(leaseAtOpening(undefined, seen, 'a', at)).toMatchObject({ epoch: 3, holder: 'b', state: 'taken-over' })
    expect(leaseAtOpening(undefined, seen, 'b', at)).toMatchObject({ epoch: 4, holder: 'b', state: 'writer' })
  })

  it('comes back by a take-over alone, above all that was seen', () => {
    const lost = leaseAtOpening(mine, { epoch: 3, holder: 'b' }, 'a', at)
    expect(leaseAtOpening(lost, { epoch: 3, holder: 'b' }, 'a', at)).toBe(lost)
    expect(takeOver(lost, { epoch: 7, holder: 'c' }, 'a', at)).toEqual({ epoch: 8, holder: 'a', since: at, state: 'writer' })
  })

  it('never gives the same epoch to two programs that know of each other', () => {
    const writer = fc.constantFrom('a', 'b', 'c')
    fc.assert(
      fc.property(fc.array(fc.tuple(writer, fc.boolean()), { maxLength: 40 }), (steps) => {
        let lease: StoredLease | undefined
        let seen: SeenWriter | undefined
        const held = new Map<number, string>()
        for (const [self, takes] of steps) {
          lease = takes && lease !== undefined ? takeOver(lease, seen, self, at) : leaseAtOpening(lease, seen, self, at)
          if (lease.state !== 'writer') continue
          expect(held.get(lease.epoch) ?? lease.holder).toBe(lease.holder)
          held.set(lease.epoch, lease.holder)
          if (seen === undefined || lease.epoch > seen.epoch) seen = lease
        }
      }),
    )
  })
})
