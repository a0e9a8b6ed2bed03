// From one site file to another, over the text of an export.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8ToText } from '#main/base/index.ts'
import { collectSite, importInto, parseSiteExport, siteFactsOf, siteJson } from '#main/site/exchange/index.ts'
import { temporarySite } from '../../support/site-file.ts'
import { randomSite } from './sites.ts'

describe('an export of a site file', () => {
  it('fills an empty site file so that its export is byte-identical', () => {
    for (const site of fc.sample(randomSite, { numRuns: 25, seed: 9 })) {
      const first = siteJson(collectSite(site.facts, site.devices, site.groups, site.security))
      const document = parseSiteExport(utf8ToText(first) ?? '')
      const file = temporarySite()
      importInto(document, file)
      expect(utf8ToText(siteJson(collectSite(siteFactsOf(document), file.devices, file.groups, file.security)))).toBe(utf8ToText(first))
    }
  })
})
