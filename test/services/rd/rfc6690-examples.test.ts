// The examples of RFC 6690 §5: each document is registered as a node would serve it, read back, and found by the queries of the text,
// with targets and anchors resolved as a directory shows them (RFC 9176 §6.1).
import { describe, expect, it } from 'vitest'
import { asLinks, RdHarness } from './harness.ts'

const HOST = 'coap://[2001:db8:3::123]:61616'

async function registered(document: string): Promise<RdHarness> {
  const rd = new RdHarness()
  const location = await rd.register('ep=node', document)
  expect((await rd.ask('GET', location)).text).toBe(document)
  return rd
}

describe('RFC 6690 §5', () => {
  it('first: two sensors of one interface description', async () => {
    const rd = await registered('</sensors/temp>;if="sensor",</sensors/light>;if="sensor"')
    expect(asLinks(await rd.lookup('res?if=sensor'))).toEqual([`<${HOST}/sensors/temp>;if=sensor`, `<${HOST}/sensors/light>;if=sensor`])
  })

  it('second: an entry point to a document of links', async () => {
    const rd = await registered('</sensors>;ct=40')
    expect(asLinks(await rd.lookup('res?ct=40'))).toEqual([`<${HOST}/sensors>;ct=40`])
  })

  it('third and fourth: the sub-resource, and a query by resource type', async () => {
    const rd = await registered('</sensors/temp>;rt="temperature-c";if="sensor",</sensors/light>;rt="light-lux";if="sensor"')
    expect(asLinks(await rd.lookup('res?rt=light-lux'))).toEqual([`<${HOST}/sensors/light>;if=sensor;rt=light-lux`])
  })

  it('fifth: a query meets one of several types', async () => {
    const rd = await registered('</sensors/light>;rt="light-lux core.sen-light";if="sensor"')
    for (const type of ['light-lux', 'core.sen-light', 'core.sen*', 'light*'])
      expect(asLinks(await rd.lookup(`res?rt=${type}`))).toEqual([`<${HOST}/sensors/light>;if=sensor;rt=light-lux core.sen-light`])
    expect(await rd.lookup('res?rt=sen-light')).toBe('')
  })

  it('sixth and seventh: relations of one resource are found by its anchor', async () => {
    const rd = await registered(
      '</sensors>;ct=40;title="Sensor Index",</sensors/temp>;rt="temperature-c";if="sensor",' +
        '</sensors/light>;rt="light-lux";if="sensor",' +
        '<http://www.example.com/sensors/t123>;anchor="/sensors/temp";rel="describedby",</t>;anchor="/sensors/temp";rel="alternate"',
    )
    expect(asLinks(await rd.lookup(`res?anchor=${HOST}/sensors/temp`))).toEqual([
      `<http://www.example.com/sensors/t123>;anchor=${HOST}/sensors/temp;rel=describedby`,
      `<${HOST}/t>;anchor=${HOST}/sensors/temp;rel=alternate`,
    ])
    expect(asLinks(await rd.lookup('res?title=Sensor Index'))).toEqual([`<${HOST}/sensors>;ct=40;title=Sensor Index`])
  })

  it('eighth: a size estimate', async () => {
    const rd = await registered('</firmware/v2.1>;rt="firmware";sz=262144')
    expect(asLinks(await rd.lookup('res?rt=firmware'))).toEqual([`<${HOST}/firmware/v2.1>;rt=firmware;sz=262144`])
    expect(asLinks(await rd.lookup('res?sz=262144'))).toHaveLength(1)
  })
})
