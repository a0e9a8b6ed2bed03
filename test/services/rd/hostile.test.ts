// Whatever comes, the directory answers, and what it took it can show again.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseLinkFormat } from '#main/wire/coap/index.ts'
import { RdHarness } from './harness.ts'

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('*', '=', '', '<', '"', '\\', '/rd/', 'coap://', 'coap://[', 'coap://[::1]:99999', '%', '%zz', '..', '\u0000', '\ud800'),
)
const pair = fc
  .tuple(fc.oneof(fc.constantFrom('ep', 'd', 'lt', 'base', 'et', 'rt', 'href', 'anchor', 'page', 'count', 'if'), anyText), anyText)
  .map(([name, value]) => `${name}=${value}`)
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 60 }),
  fc
    .array(fc.constantFrom('<', '>', ';', ',', '"', '=', '/', 'a', 'rt', 'anchor', ' ', '\\', ':', 'é', '\n'), { maxLength: 30 })
    .map((parts) => new TextEncoder().encode(parts.join(''))),
)

/** Text as an option's bytes would give it: no lone surrogates. */
const wellFormed = (text: string): string => encodeURIComponent(text.toWellFormed())

it('any registration, update and lookup is answered, and never with the wrong links', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(pair, { maxLength: 5 }), payload, fc.array(pair, { maxLength: 4 }), async (parameters, links, criteria) => {
      const rd = new RdHarness()
      await rd.register('ep=known', '</known>;rt=k')
      const query = ['ep=fuzz', ...parameters].map(wellFormed).join('&')
      const registered = await rd.ask('POST', `/rd?${query}`, { payload: links, contentFormat: 40 })
      expect(['2.01', '4.00']).toContain(registered.code)
      const updated = await rd.ask('POST', `${rd.directory.find('known')?.location ?? ''}?${parameters.map(wellFormed).join('&')}`)
      expect(['2.04', '4.00']).toContain(updated.code)
      for (const type of ['res', 'ep']) {
        const found = await rd.ask('GET', `/rd-lookup/${type}?${criteria.map(wellFormed).join('&')}`)
        expect(['2.05', '4.00']).toContain(found.code)
        if (found.code === '2.05') parseLinkFormat(found.text)
        const all = parseLinkFormat((await rd.ask('GET', `/rd-lookup/${type}`)).text)
        expect(all.length).toBe(
          type === 'ep' ? rd.directory.size : rd.directory.list(0, 9).reduce((sum, one) => sum + parseLinkFormat(one.links).length, 0),
        )
      }
    }),
    { numRuns: 500 },
  )
})
