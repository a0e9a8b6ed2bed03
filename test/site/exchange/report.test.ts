// CSV tables and the report: complete, escaped, safe in a spreadsheet and in a browser.
import fc from 'fast-check'
import Papa from 'papaparse'
import { describe, expect, it } from 'vitest'
import { utf8ToText } from '#main/base/index.ts'
import { collectSite, exportSite, siteDigest, type SiteDocument } from '#main/site/exchange/index.ts'
import { escapeHtml } from '#main/site/exchange/html.ts'
import { randomSite } from './sites.ts'

const options = { locale: 'en', at: Date.UTC(2026, 0, 5, 8), tool: 'Groupwright 0.1.0', revision: 17, timeZone: 'Europe/Berlin' } as const

function textsOf(document: SiteDocument, format: 'csv' | 'report-html', locale: 'en' | 'de' = 'en'): string[] {
  return exportSite(document, format, { ...options, locale }).map((file) => utf8ToText(file.bytes) ?? 'not UTF-8')
}

/** A site with names that mean to break out of wherever they are put. */
function hostile(): SiteDocument {
  const name = '"><script>alert(1)</script>&\u202e'
  const at = '2026-01-05T07:00:00.000Z'
  const failure = { code: 'coap.timeout', message: 'No answer', retryable: true, details: {} }
  return {
    format: 'groupwright-site',
    version: 2,
    site: { id: 's', kind: 'demo', name, organisation: '=cmd|calc', address: '', operator: "O'Neill", createdAt: at, demo: null },
    rooms: [{ id: 'r', parentId: null, kind: 'room', name: '2.14', position: 0 }],
    devices: ['=1+1', '@SUM(A1)', 'Panel, "east"', '-7', name].map((text, index) => ({
      id: `d${index}`,
      name: text,
      type: 'luminaire',
      roomId: index === 0 ? null : 'r',
      state: index === 1 ? 'faulty' : 'verified',
      stateAt: at,
      stateSource: 'test',
      eui64: `001122334455667${index}`,
      serial: `SN-${index}`,
      model: null,
      profileId: null,
      endpointName: null,
      address: null,
      lastHeardAt: null,
      comment: '+49 30 1',
      links: null,
    })),
    coapGroups: [{ id: 'c', name: 'g', address: 'ff35:30:fd00::8000:1', port: 5683, allocated: true }],
    applicationGroups: [{ id: 'g', name: '2.14-light', coapGroupId: 'c', roomId: 'r', comment: '', retired: false }],
    memberships: [
      { deviceId: 'd0', groupId: 'g', desired: true, outcome: 'confirmed', at, source: 'apply', failure: null, applied: null },
      { deviceId: 'd1', groupId: 'g', desired: true, outcome: 'failed', at, source: 'apply', failure, applied: null },
    ],
    securityGroups: [
      {
        id: 'sec-1',
        name: '2.14',
        comment: '',
        roomId: 'r',
        suite: 'standard',
        algorithms: { groupEncryption: 10, signature: -8, pairwise: 10, hkdf: 5 },
        policy: { rekeyOnJoin: false, rekeyAfterLeaves: 1, rekeyWithinMinutes: 10, lifetimeDays: 30 },
        automatic: true,
        keys: { generation: 3, gid: 'a1b2c3d400000002', rekeyedAt: at, expiresAt: at },
        members: [
          { deviceId: 'd0', requester: false, responder: true, outcome: 'confirmed', keys: 'current', generation: 3 },
          { deviceId: 'd1', requester: true, responder: true, outcome: 'confirmed', keys: 'behind', generation: 2 },
        ],
      },
    ],
    protections: [{ groupId: 'g', securityGroupIds: ['sec-1'], reason: null, automatic: true }],
    testRuns: [
      {
        id: 't',
        groupId: 'g',
        groupName: '2.14-light',
        action: 'on',
        state: 'done',
        startedAt: at,
        finishedAt: at,
        repeats: 3,
        repeat: 3,
        uri: 'coap://[ff35:30:fd00::8000:1]/gp/2.14-light',
        messageBytes: 48,
        protection: '2.14',
        spreadMs: 412.5,
        medianMs: 120,
        members: [
          { deviceId: 'd0', verdict: 'heard', answerMs: 120, heardCount: 3, code: null, seen: null },
          { deviceId: 'd1', verdict: 'rejected', answerMs: 99, heardCount: 1, code: '4.04', seen: null },
        ],
        failure: null,
      },
    ],
  }
}

describe('the CSV tables', () => {
  it('are read back by another reader as they were, whatever the names', () => {
    fc.assert(
      fc.property(randomSite, ({ facts, devices, groups }) => {
        const document = collectSite(facts, devices, groups)
        const [table = ''] = textsOf(document, 'csv')
        const rows = Papa.parse<Record<string, string>>(table.slice(1), {
          header: true,
          skipEmptyLines: true,
          delimiter: ',',
          newline: '\r\n',
        })
        expect(rows.errors).toEqual([])
        expect(rows.data.map((row) => row.name!.replace(/^'(?=[=+\-@\t\r\n＝＋－＠])/u, ''))).toEqual(
          document.devices.map((device) => device.name),
        )
        expect(rows.data.map((row) => row.eui64!.replaceAll('-', ''))).toEqual(document.devices.map((device) => device.eui64 ?? ''))
      }),
    )
  })

  it('never begin a cell with what a spreadsheet takes for a formula', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          randomSite.map(({ facts, devices, groups }) => collectSite(facts, devices, groups)),
          fc.constant(hostile()),
        ),
        (document) => {
          for (const table of textsOf(document, 'csv')) {
            const rows = Papa.parse<string[]>(table.slice(1), { delimiter: ',', newline: '\r\n' }).data
            for (const cell of rows.flat()) expect(cell).not.toMatch(/^[=+\-@\t\r\n]/)
          }
        },
      ),
    )
  })

  it('hold devices, groups and memberships', () => {
    const [devices = '', groups = '', memberships = '', securityGroups = ''] = textsOf(hostile(), 'csv')
    expect(devices.split('\r\n')[0]).toBe('\uFEFFname,type,room,eui64,serial,groups,comment,state,stateAt,model,profile,endpoint,address')
    expect(devices).toContain("'=1+1,luminaire,,00-11-22-33-44-55-66-70,SN-0,2.14-light,'+49 30 1,verified")
    expect(groups).toContain('2.14-light,2.14,g,ff35:30:fd00::8000:1,5683,2,1,2.14,,')
    expect(securityGroups).toContain('2.14,standard,2.14,3,a1-b2-c3-d4-00-00-00-02,2026-01-05T07:00:00.000Z,2,1,2.14-light')
    expect(memberships).toContain('2.14-light,true,failed,2026-01-05T07:00:00.000Z,apply,coap.timeout')
  })
})

describe('the report', () => {
  it('lets nothing out of its place: no script, no attribute, no reading direction', () => {
    const [page = ''] = textsOf(hostile(), 'report-html')
    expect(page).not.toContain('<script')
    expect(page).not.toContain('\u202e')
    expect(page).toContain('&#34;&#62;&#60;script&#62;alert(1)&#60;/script&#62;&#38;\ufffd')
    expect(page).toContain('O&#39;Neill')
  })

  it('needs nothing from elsewhere and forbids it', () => {
    const [page = ''] = textsOf(hostile(), 'report-html')
    expect(page).toContain(`default-src 'none'`)
    expect(page).not.toMatch(/\b(src|href)=|url\(|@import|https?:/)
  })

  it('says who, where, what, proven how, and what is open', () => {
    const document = hostile()
    const [page = ''] = textsOf(document, 'report-html')
    for (const part of [
      'SN-3',
      '0011223344556673',
      'ff35:30:fd00::8000:1 5683',
      '412.5 ms',
      '48 B',
      'rejected 4.04',
      'Groupwright 0.1.0',
      siteDigest(document),
    ]) {
      expect(page).toContain(part)
    }
    expect(page).toContain('Device is faulty')
    expect(page).toContain('@SUM(A1) – 2.14-light (failed, coap.timeout)')
    expect(page).toContain('2.14-light: @SUM(A1) (rejected)')
    expect(page).toContain('Jan 5, 2026, 9:00:00 AM GMT+1')
    expect(page).toContain('Simulated demo site')
  })

  it('names security groups with suite, modes, members, version of the keys and Gid, and who has not the newest', () => {
    const [page = ''] = textsOf(hostile(), 'report-html')
    const section = page.slice(page.indexOf('Security groups</h2>'), page.indexOf('Test evidence</h2>'))
    for (const part of [
      '2.14',
      'AES-CCM-16-64-128, EdDSA (Ed25519)',
      'group, pairwise',
      '1 / 2',
      '3, Jan 5, 2026',
      'a1b2c3d400000002',
      '2.14-light',
    ])
      expect(section).toContain(part)
    expect(page).toContain('Member does not have the newest keys')
    expect(page).toContain('2.14: @SUM(A1)')
  })

  it('names each unprotected group in red, with the reason or with nobody’s', () => {
    const document = hostile()
    const reason = 'read-only <temperatures>'
    const chosen = { ...document, protections: [{ groupId: 'g', securityGroupIds: [], reason, automatic: false }] }
    const [page = ''] = textsOf(chosen, 'report-html')
    expect(page).toContain('<td class="bare">NoSec, unprotected: read-only &#60;temperatures&#62;</td>')
    expect(page).toContain('Group is unprotected by choice, for the reason')
    expect(page).toContain('2.14-light (read-only &#60;temperatures&#62;)')
    const [open = ''] = textsOf({ ...document, protections: [] }, 'report-html')
    expect(open).toContain('<td class="bare">unprotected</td>')
    expect(open).toContain('Group is unprotected, and nobody has chosen that')
    expect(textsOf({ ...document, securityGroups: [], protections: [] }, 'report-html', 'de')[0]).toContain(
      'nichts, was an Gruppen geht'.replace('n', 'N'),
    )
  })

  it('states how much is commissioned and proven, what each device is part of, and what is signed for', () => {
    const [page = ''] = textsOf(hostile(), 'report-html', 'en')
    expect(page).toContain('Certificate of commissioning')
    expect(page).toMatch(/Commissioned with open points: \d+, listed below\./)
    expect(page).toMatch(/Devices configured and read back: \d+ of \d+\. Groups proven by their latest test: \d+ of \d+\./)
    expect(page).toContain('As-built list')
    expect(page).toContain('The signatures are for the data set whose digest stands at the head of this certificate.')
    const empty = { ...hostile(), devices: [], memberships: [], applicationGroups: [], testRuns: [], securityGroups: [], protections: [] }
    expect(textsOf(empty, 'report-html', 'en')[0]).toContain('Commissioned without open points.')
  })

  describe('counts as proven', () => {
    const noon = '2026-01-05T12:00:00.000Z'
    /** One lamp that is as it should be, and was heard. */
    function handedOver(): SiteDocument {
      const document = hostile()
      const run = document.testRuns[0]!
      return {
        ...document,
        devices: [{ ...document.devices[2]!, id: 'd0', name: 'Lamp' }],
        memberships: [{ ...document.memberships[0]!, applied: { name: '2.14-light', address: 'ff35:30:fd00::8000:1', port: 5683 } }],
        securityGroups: [],
        testRuns: [{ ...run, members: [run.members[0]!] }],
      }
    }
    function issues(document: SiteDocument, locale: 'en' | 'de' = 'en'): string {
      return textsOf(document, 'report-html', locale)[0] ?? ''
    }

    it('a group whose members were all heard since its last change', () => {
      const page = issues(handedOver())
      expect(page).toContain('Commissioned without open points.')
      expect(page).toContain('Groups proven by their latest test: 1 of 1.')
    })

    it('no group that has changed since: a new member, one applied anew, another address', () => {
      const document = handedOver()
      const [device, cell, coap] = [document.devices[0]!, document.memberships[0]!, document.coapGroups[0]!]
      const found = { ...cell, deviceId: 'd9', source: 'verify' as const, at: noon }
      const changed: readonly SiteDocument[] = [
        { ...document, devices: [device, { ...device, id: 'd9' }], memberships: [cell, found] },
        { ...document, memberships: [{ ...cell, at: noon }] },
        { ...document, coapGroups: [{ ...coap, port: 5685 }] },
      ]
      for (const one of changed) {
        expect(issues(one)).toContain('Commissioned with open points: 1, listed below.')
        expect(issues(one)).toContain('Groups proven by their latest test: 0 of 1.')
        expect(issues(one)).toContain('Group was not tested since the last change')
        expect(issues(one, 'de')).toContain('Gruppe wurde seit der letzten Änderung nicht geprüft')
      }
    })

    it('no member that a person saw not to follow, though it answered', () => {
      const document = handedOver()
      const run = document.testRuns[0]!
      const page = issues({ ...document, testRuns: [{ ...run, members: [{ ...run.members[0]!, seen: false }] }] })
      expect(page).toContain('Groups proven by their latest test: 0 of 1.')
      expect(page).toContain('2.14-light: Lamp (answered, but a person saw that it did not follow)')
    })

    it('no group whose only test could not be made', () => {
      const document = handedOver()
      const failure = { code: 'network.down', message: 'gone', retryable: true, details: {} }
      const page = issues({ ...document, testRuns: [{ ...document.testRuns[0]!, state: 'failed', failure }] })
      expect(page).toContain('Groups proven by their latest test: 0 of 1.')
      expect(page).toContain('2.14-light (network.down)')
    })
  })

  it('is written in German too', () => {
    const [page = ''] = textsOf(hostile(), 'report-html', 'de')
    for (const part of [
      '<html lang="de">',
      'Inbetriebnahmeprotokoll',
      'Offene Punkte',
      '412,5 ms',
      'Leuchte',
      'abgelehnt 4.04',
      '05.01.2026, 09:00:00 MEZ',
    ]) {
      expect(page).toContain(part)
    }
  })

  /** A site of so many devices, all of them in one group and none of them found yet. */
  function large(count: number): SiteDocument {
    const document = hostile()
    const [device, cell, run] = [document.devices[2]!, document.memberships[0]!, document.testRuns[0]!]
    const ids = Array.from({ length: count }, (_, index) => `d${index}`)
    return {
      ...document,
      devices: ids.map((id) => ({ ...device, id, name: `Lamp-${id}.`, state: 'expected' })),
      memberships: ids.map((deviceId) => ({ ...cell, deviceId })),
      securityGroups: [],
      testRuns: [{ ...run, members: ids.map((deviceId) => ({ ...run.members[1]!, deviceId })) }],
    }
  }

  it('lists the first of many open issues of a kind, and how many more there are', () => {
    const [page = ''] = textsOf(large(1250), 'report-html')
    const issues = page.slice(page.indexOf('Open issues'), page.indexOf('Group schedule'))
    expect(issues).toContain('<td class="number">1,250</td>')
    expect(issues.match(/Lamp-/g)).toHaveLength(200)
    expect(issues).toContain('… and 1,150 more')
    expect(textsOf(large(1250), 'report-html', 'de')[0]).toContain('… und 1.150 weitere')
  })

  it('is complete as a file, and cut with a note as a preview', () => {
    const document = large(450)
    const pages = (preview: boolean, locale: 'en' | 'de' = 'en'): string =>
      utf8ToText(exportSite(document, 'report-html', { ...options, locale, preview })[0]!.bytes) ?? ''
    const whole = pages(false)
    for (const { name } of document.devices) expect(whole).toContain(`<th scope="row">${name}</th>`)
    expect(whole).not.toContain('in the exported report')
    expect(textsOf(document, 'report-html')).toEqual([whole])
    const cut = pages(true)
    expect(cut.match(/<th scope="row">Lamp-/g)).toHaveLength(200)
    // The members of the group, the results of its test, and the devices.
    expect(cut.match(/… and 250 more in the exported report/g)).toHaveLength(3)
    expect(cut).toContain(siteDigest(document))
    expect(pages(true, 'de')).toContain('… und 250 weitere im exportierten Protokoll')
  })

  it('keeps room for the title of a row, however much stands beside them', () => {
    const [page = ''] = textsOf(hostile(), 'report-html')
    expect(page).toMatch(/tbody th \{[^}]*min-width: 30mm;/)
  })

  it('can be made of any site, with tags that close', () => {
    fc.assert(
      fc.property(randomSite, ({ facts, devices, groups }) => {
        const [page = ''] = textsOf(collectSite(facts, devices, groups), 'report-html')
        const open: string[] = []
        for (const [, closing, tag = ''] of page
          .replace(/<!doctype html>|<meta[^>]*>|<style>[^]*?<\/style>/g, '')
          .matchAll(/<(\/?)([a-z0-9]+)[^>]*>/g)) {
          if (closing === '') open.push(tag)
          else expect(open.pop()).toBe(tag)
        }
        expect(open).toEqual([])
      }),
    )
  })

  it('escapes every character that could end text or an attribute', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => !/[<>"'`]/.test(escapeHtml(text)) && escapeHtml(text).isWellFormed()))
  })
})
