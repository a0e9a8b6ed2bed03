// Registrations and device memories at rest, in a real SQLite file.
import Database from 'better-sqlite3'
import fc from 'fast-check'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { RegistrationChange, RegistrationRecord } from '#main/services/rd/index.ts'
import { createDemoMemory } from '#main/store/demo-memory.ts'
import { migrate } from '#main/store/migrate.ts'
import { createRegistrationStore } from '#main/store/registrations.ts'
import { RdHarness } from '../services/rd/harness.ts'
import { temporaryFolder } from '../support/site-file.ts'

function openDatabase(path = join(temporaryFolder(), 'rd.sqlite')): Database.Database {
  const database = new Database(path)
  onTestFinished(() => void database.close())
  migrate(database)
  return database
}

const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const record = (id: string): fc.Arbitrary<RegistrationRecord> =>
  fc.record({
    id: fc.constant(id),
    endpointName: fc.constant(`ep ${id}`),
    sector: fc.constant(id === 'a' ? '' : `sector of ${id}`),
    base: text,
    baseExplicit: fc.boolean(),
    lifetimeS: fc.integer({ min: 1, max: 4_294_967_295 }),
    registeredAt: fc.nat(),
    expiresAt: fc.integer({ min: 0, max: 4_294_967_295_000 }),
    attributes: fc.array(fc.record({ name: text, value: fc.option(text) }), { maxLength: 3 }),
    links: text,
    source: fc.option(
      fc.record({
        channelId: text,
        ...(id === 'b' ? { identity: text } : {}),
        address: fc.oneof(
          fc.record({ address: text, port: fc.nat(65_535) }),
          fc.record({ address: text, port: fc.nat(65_535), zone: fc.constantFrom('eth0', 'en1') }),
        ),
      }),
      { nil: undefined },
    ),
  })
const change: fc.Arbitrary<RegistrationChange> = fc.constantFrom('a', 'b', 'c', 'd').chain((id) =>
  fc.oneof(
    record(id).map((one): RegistrationChange => ({ kind: 'save', record: one })),
    record(id).map((one): RegistrationChange => ({ kind: 'renew', record: one })),
    fc.constant<RegistrationChange>({ kind: 'remove', id }),
  ),
)

describe('registrations', () => {
  it('read back as they were written, in the order of their first registration; a renewal leaves the links', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
        const database = new Database(':memory:')
        migrate(database)
        const store = createRegistrationStore(database)
        const expected = new Map<string, RegistrationRecord>()
        for (const one of changes) {
          store.apply([one])
          if (one.kind === 'remove') expected.delete(one.id)
          else if (one.kind === 'shift') continue
          else if (one.kind === 'save') expected.set(one.record.id, one.record)
          else {
            const before = expected.get(one.record.id)
            if (before !== undefined) expected.set(before.id, { ...one.record, links: before.links })
          }
        }
        expect([...store.load()]).toEqual([...expected.values()])
        database.close()
      }),
      { numRuns: 200 },
    )
  })

  it('either all changes of a call are kept or none', () => {
    const store = createRegistrationStore(openDatabase())
    const [one] = fc.sample(record('a'), { numRuns: 1, seed: 1 })
    // The second has a lifetime that the schema forbids.
    const clash: RegistrationRecord = { ...one!, id: 'z', lifetimeS: 0.5 }
    expect(() =>
      store.apply([
        { kind: 'save', record: one! },
        { kind: 'save', record: clash },
      ]),
    ).toThrow()
    expect([...store.load()]).toEqual([])
  })

  it('what a transaction around them took back is written anew, and never over another', () => {
    const database = openDatabase()
    const store = createRegistrationStore(database)
    const [a, b, c] = ['a', 'b', 'c'].map((id) => fc.sample(record(id), { numRuns: 1, seed: 3 })[0]!)
    store.apply([{ kind: 'save', record: a! }])
    const takeBack = (work: () => void): void => {
      expect(() =>
        database.transaction(() => {
          work()
          throw new RangeError('no')
        })(),
      ).toThrow('no')
    }
    // The store is not told: the transaction is another's.
    takeBack(() => store.apply([{ kind: 'save', record: b! }]))
    store.apply([{ kind: 'save', record: c! }])
    store.apply([
      { kind: 'renew', record: b! },
      { kind: 'save', record: b! },
    ])
    expect([...store.load()]).toEqual([a, c, b])
    takeBack(() => store.apply([{ kind: 'remove', id: 'a' }]))
    expect([...createRegistrationStore(database).load()]).toEqual([a, c, b])
  })

  it('a shift moves the times of all', () => {
    const store = createRegistrationStore(openDatabase())
    const [a, b] = ['a', 'b'].map((id) => fc.sample(record(id), { numRuns: 1, seed: 4 })[0]!)
    store.apply([
      { kind: 'save', record: a! },
      { kind: 'shift', byMs: -5000 },
      { kind: 'save', record: b! },
    ])
    expect([...store.load()]).toEqual([{ ...a, registeredAt: a!.registeredAt - 5000, expiresAt: a!.expiresAt - 5000 }, b])
  })

  it('of a file of version 1 are all there, in their order', () => {
    const database = new Database(':memory:')
    migrate(database, 1)
    const insert = database.prepare(
      `INSERT INTO registration VALUES (?, ?, '', 'coap://h', 1, 60, 1000, 61000, '[["et","x"]]', '</a>', 'null')`,
    )
    for (const id of ['z', 'gone', 'm', 'a']) insert.run(id, `ep ${id}`)
    database.exec(`DELETE FROM registration WHERE id = 'gone'`)
    database.exec(`UPDATE registration SET links = '</b>' WHERE id = 'z'`)
    migrate(database)
    const store = createRegistrationStore(database)
    const rows = [...store.load()]
    expect(rows.map(({ id, links }) => [id, links])).toEqual([
      ['z', '</b>'],
      ['m', '</a>'],
      ['a', '</a>'],
    ])
    expect(rows[1]).toEqual({
      id: 'm',
      endpointName: 'ep m',
      sector: '',
      base: 'coap://h',
      baseExplicit: true,
      lifetimeS: 60,
      registeredAt: 1000,
      expiresAt: 61_000,
      attributes: [{ name: 'et', value: 'x' }],
      links: '</a>',
      source: undefined,
    })
    store.apply([{ kind: 'remove', id: 'm' }])
    expect([...store.load()].map(({ id }) => id)).toEqual(['z', 'a'])
    database.close()
  })

  it('rows that somebody has damaged are read as far as they go', () => {
    const database = openDatabase()
    const store = createRegistrationStore(database)
    const [one] = fc.sample(record('a'), { numRuns: 1, seed: 2 })
    store.apply([{ kind: 'save', record: one! }])
    for (const damage of ['', '[', 'null', '7', '{"channelId":1}', '[[1],["x",2],"y"]', '{"channelId":"c","address":{"address":1}}']) {
      database.prepare('UPDATE registration SET attributes = ?, source = ?').run(damage, damage)
      const [row] = store.load()
      expect(row?.source).toBeUndefined()
      expect(row?.attributes).toEqual(damage.startsWith('[[') ? [{ name: 'x', value: null }] : [])
    }
  })

  it('a directory finds its registrations again in the file', async () => {
    const path = join(temporaryFolder(), 'rd.sqlite')
    const first = new RdHarness({ store: createRegistrationStore(openDatabase(path)) })
    const location = await first.register('ep=a&d=x&et=t&lt=100', '</a>;rt="x y"')
    const gone = await first.register('ep=b', '')
    await first.ask('POST', `${location}?lt=200`)
    await first.ask('DELETE', gone)
    // No close: as after kill -9. Another connection reads what is durable.
    const second = new RdHarness({ store: createRegistrationStore(openDatabase(path)), virtual: first.clock, clock: first.clock })
    expect(second.directory.list(0, 9)).toEqual(first.directory.list(0, 9))
    expect(await second.lookup('res?rt=y')).toBe(await first.lookup('res?rt=y'))
  })
})

describe('device memories', () => {
  it('keep the last text of each device', () => {
    const memory = createDemoMemory(openDatabase())
    expect(memory.load('a')).toBeUndefined()
    memory.save('a', 'one')
    memory.save('a', 'two')
    memory.save('b', '')
    expect([memory.load('a'), memory.load('b')]).toEqual(['two', ''])
    memory.saveAll(
      new Map([
        ['b', 'three'],
        ['c', 'four'],
      ]),
    )
    expect(['a', 'b', 'c'].map((name) => memory.load(name))).toEqual(['two', 'three', 'four'])
  })
})
