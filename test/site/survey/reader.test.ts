// Reading what is there from servers, directories and tables, brought together and adopted.
import { afterEach, describe, expect, it, vi } from 'vitest'
import { AppError } from '#main/base/index.ts'
import type { ClientRequest } from '#main/wire/coap/index.ts'
import { ScriptedClient, type ScriptedServer } from '../../support/scripted-coap.ts'
import { createSurveyBench, put, tableOf, type SurveyBench } from './doubles.ts'

const NODES = { address: 'ff03::fd', port: 5683 }
const open: SurveyBench[] = []
afterEach(async () => {
  for (const bench of open.splice(0)) await bench.survey.close()
})

function benchOf(devices: number): SurveyBench & { readonly client: ScriptedClient } {
  const bench = createSurveyBench(devices)
  open.push(bench)
  const client = new ScriptedClient('fake')
  bench.channels.push({ client, allNodes: [NODES] })
  return { ...bench, client }
}

/** A server that answers queries for links as RFC 6690 §4.1 has it, roughly: by the text of the query. */
function lists(answers: Readonly<Record<string, string>>, where?: string): ScriptedServer {
  return (request: ClientRequest, at, multicast) => {
    const text = answers[request.query?.[0] ?? '']
    if (request.path.join('/') !== '.well-known/core' || text === undefined) return multicast ? undefined : { code: '4.04' }
    if (where !== undefined && multicast && at.address !== where) return undefined
    return { code: '2.05', text, contentFormat: 40 }
  }
}

async function read(bench: SurveyBench, wish: Partial<Parameters<SurveyBench['survey']['read']>[0]> = {}) {
  bench.survey.read({ servers: true, directory: true, tables: true, directories: [], types: [], ...wish })
  await bench.clock.until(bench.survey.idle())
  return bench.survey.foundPage({ offset: 0, limit: 1000 }).rows
}

describe('reading what is there', () => {
  it('brings servers, their CoAP group, tables and the directory together, and adopts what devices said themselves as confirmed', async () => {
    const bench = benchOf(2)
    const group = { address: 'ff05::db8:1', port: 5685 }
    bench.client.serve(bench.devices.get('d1')!.at!, lists({ 'rt=g.*': '<coap://[ff05::db8:1]:5685/gp/gp1>;rt=g.light' }))
    put(bench, 'd2', { name: 'gp1', ...group })
    bench.directory.endpoints = '</rd/1>;ep="gp1";et="core.rd-group";base="coap://[ff05::db8:1]:5685"'
    bench.directory.resources = '</ace-group/s1>;rt="core.osc.gm";sec-gp="s1";app-gp="gp1"'
    const [found, ...others] = await read(bench)
    expect(others).toEqual([])
    expect(found).toMatchObject({
      name: 'gp1',
      ...group,
      verdict: 'new',
      memberCount: 2,
      strangers: 0,
      types: ['g.light'],
      securityGroups: ['s1'],
    })
    expect([...found!.sources].sort()).toEqual(['directory', 'server', 'table'])
    expect(bench.survey.adopt()).toEqual({ groups: 1, memberships: 2, planned: 0, strangers: 0 })
    expect(bench.engine.planFeed.rows()).toEqual([])
    expect(bench.engine.coapFeed.rows()).toMatchObject([{ ...group, allocated: false }])
    expect((await read(bench))[0]?.verdict).toBe('known')
  })

  it('asks the CoAP groups that it found for their members (C.1): relative links belong to them', async () => {
    const bench = benchOf(1)
    bench.directory.endpoints = '</rd/1>;ep="gp9";et="core.rd-group";base="coap://[ff05::db8:9]"'
    bench.client.serve(bench.devices.get('d1')!.at!, lists({ 'rt=g.*': '</gp/gp9>;rt=g.light' }, 'ff05::db8:9'))
    const rows = await read(bench, { tables: false })
    expect(rows).toMatchObject([{ name: 'gp9', address: 'ff05::db8:9', memberCount: 1 }])
    expect(bench.client.requests.some(({ to, multicast }) => multicast && to.address === 'ff05::db8:9')).toBe(true)
  })

  it('shows a group whose address nobody says as such, and adopts it only into one that the project has', async () => {
    const bench = benchOf(1)
    bench.client.serve(bench.devices.get('d1')!.at!, lists({ 'href=/gp/*': '</gp/hall>' }))
    const [row] = await read(bench, { tables: false })
    expect(row).toMatchObject({ name: 'hall', address: null, verdict: 'no-address', here: null })
    expect(() => bench.survey.adopt([{ key: row!.key, as: 'found' }])).toThrow(AppError)
    bench.engine.createApplication({ name: 'hall' })
    expect(bench.survey.adopt([{ key: row!.key, as: 'project' }])).toMatchObject({ groups: 0, memberships: 1, planned: 1 })
    expect(bench.engine.planFeed.rows()).toMatchObject([{ groupName: 'hall', deviceId: 'd1' }])
  })

  it('offers both ways out where the project has the name elsewhere, and moves either the project or the members', async () => {
    for (const as of ['found', 'project'] as const) {
      const bench = benchOf(2)
      const id = bench.engine.createApplication({ name: 'hall', members: ['d2'] })
      const before = bench.engine.book.target(id)!
      put(bench, 'd1', { name: 'hall', address: 'ff05::db8:5', port: 5683 })
      const [row] = await read(bench, { servers: false })
      expect(row).toMatchObject({ verdict: 'elsewhere', here: { address: before.address, port: 5683 } })
      expect(bench.survey.adopt()).toMatchObject({ groups: 0, memberships: 0 })
      bench.survey.adopt([{ key: row!.key, as }])
      const after = bench.engine.book.target(id)!
      expect(after.address).toBe(as === 'found' ? 'ff05::db8:5' : before.address)
      const lines = bench.engine.planFeed.rows().map(({ deviceId }) => deviceId)
      expect(lines).toEqual(as === 'found' ? ['d2'] : ['d2', 'd1'])
      expect(bench.engine.coapFeed.size).toBe(1)
    }
  })

  it('counts members that are not in the inventory and leaves them out', async () => {
    const bench = benchOf(1)
    bench.client.serve({ address: '2001:db8::77', port: 5683 }, lists({ 'rt=g.*': '<coap://[ff05::db8:1]/gp/gp1>;rt=g.light' }))
    const [row] = await read(bench)
    expect(row).toMatchObject({ memberCount: 1, strangers: 1 })
    expect(bench.survey.adopt()).toMatchObject({ groups: 1, memberships: 0, strangers: 1 })
  })

  it('knows a building full of answers without going through all devices for each', async () => {
    const bench = benchOf(60)
    for (const { at } of bench.devices.all()) bench.client.serve(at!, lists({ 'rt=g.*': '<coap://[ff05::db8:1]/gp/gp1>;rt=g.light' }))
    const all = vi.spyOn(bench.devices, 'all')
    const rows = await read(bench, { tables: false, directory: false })
    expect(rows).toMatchObject([{ name: 'gp1', memberCount: 60, strangers: 0 }])
    expect(all.mock.calls.length).toBeLessThan(20)
  })

  it('asks known devices one by one where there is no multicast', async () => {
    const bench = benchOf(1)
    const { at } = bench.devices.get('d1')!
    bench.channels.splice(0, 1, { client: bench.client, allNodes: [], known: () => [at!] })
    bench.client.serve(at!, lists({ 'rt=g.*': '<coap://[ff05::db8:1]/gp/gp1>;rt=g.light' }))
    expect(await read(bench, { tables: false })).toMatchObject([{ name: 'gp1', memberCount: 1 }])
    expect(bench.client.requests.every(({ multicast }) => !multicast)).toBe(true)
  })

  it('looks into another directory page by page, wherever its lookups are (RFC 9176 §4.3, §6.1)', async () => {
    const bench = benchOf(0)
    const groups = Array.from(
      { length: 60 },
      (_, index) => `</r/${index}>;ep="g${index}";et="core.rd-group";base="coap://[ff05::db8:${index + 1}]"`,
    )
    bench.client.serve({ address: '2001:db8::99', port: 5683 }, (request) => {
      const path = request.path.join('/')
      if (path === '.well-known/core')
        return { code: '2.05', text: '</look/e>;rt=core.rd-lookup-ep,<coap://[2001:db8::99]/look/r>;rt="core.rd-lookup-res"' }
      if (path === 'look/r') return { code: '2.05', text: '' }
      const query = new URLSearchParams((request.query ?? []).join('&'))
      const [page, count] = [Number(query.get('page')), Number(query.get('count'))]
      return { code: '2.05', text: groups.slice(page * count, (page + 1) * count).join(',') }
    })
    const rows = await read(bench, { servers: false, directory: false, tables: false, directories: ['[2001:db8::99]'] })
    expect(rows).toHaveLength(60)
    expect(rows[0]).toMatchObject({ sources: ['foreign-directory'], memberCount: 0, verdict: 'new' })
    expect(bench.client.requests.filter(({ request }) => request.query?.includes('page=0')).length).toBeGreaterThan(0)
  })

  it('tells what failed and goes on; refuses what is no address; runs once at a time; stops when told', async () => {
    const bench = benchOf(2)
    bench.devices.fake('d1').fate = () => 'lost'
    put(bench, 'd2', { name: 'a', address: 'ff05::db8:1', port: 5683 })
    expect(() =>
      bench.survey.read({ servers: false, directory: false, tables: false, directories: ['not an address'], types: [] }),
    ).toThrow(AppError)
    const rows = await read(bench, { directories: ['192.0.2.9'] })
    expect(rows).toHaveLength(1)
    const { reading } = bench.survey.feed.get('survey')!
    expect(reading).toMatchObject({ state: 'idle', done: 2, total: 2 })
    expect(reading.failures.map(({ about }) => about)).toEqual(['192.0.2.9', 'Device 1'])
    expect(bench.survey.driftFeed.get('d1')?.state).toBe('silent')
    bench.survey.read({ servers: true, directory: true, tables: true, directories: [], types: [] })
    expect(() => bench.survey.read({ servers: true, directory: true, tables: true, directories: [], types: [] })).toThrow(/under way/)
    bench.survey.stop()
    await bench.clock.until(bench.survey.idle())
    expect(bench.survey.feed.get('survey')?.reading.state).toBe('idle')
  })

  it('writes to no device, whatever it reads', async () => {
    const bench = benchOf(3)
    for (const id of ['d1', 'd2', 'd3']) put(bench, id, { name: 'x', address: 'ff05::db8:1', port: 5683 })
    const before = tableOf(bench, 'd1')
    await read(bench)
    bench.survey.adopt()
    expect(tableOf(bench, 'd1')).toEqual(before)
    expect(bench.client.requests.every(({ request }) => request.method === 'GET')).toBe(true)
    for (const id of ['d1', 'd2', 'd3']) expect(bench.devices.fake(id).log).toEqual([])
  })

  it('keeps within its limits whatever devices claim', async () => {
    const bench = benchOf(1)
    const many = (query: string): string =>
      Array.from(
        { length: 3000 },
        (_, index) => `<coap://[ff05::db8:${(index + query.length).toString(16)}]/gp/${query.length}-${index}>;rt=g.x`,
      ).join(',')
    bench.client.serve(bench.devices.get('d1')!.at!, (request) => ({ code: '2.05', text: many(request.query?.[0] ?? '') }))
    const { length } = await read(bench, { tables: false, types: ['a', 'bb', 'ccc', 'dddd'] })
    expect(length).toBeLessThanOrEqual(1000)
    expect(bench.survey.foundPage({ offset: 0, limit: 1 }).total).toBeLessThanOrEqual(5000)
  })
})
