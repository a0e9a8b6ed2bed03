import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { temporarySite } from '../support/site-file.ts'

function loosen(site: ReturnType<typeof temporarySite>): void {
  site.database.exec('DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete')
}

describe('the audit', () => {
  test('binds each entry to the one before by SHA-256', () => {
    const { audit, database } = temporarySite()
    audit.append('M. Lindqvist', 'site.create', { b: 1, a: 'x' })
    const second = audit.append('M. Lindqvist', 'apply.start')
    const rows = database.prepare<[], { at: number; previous_hash: string; hash: string }>('SELECT * FROM audit ORDER BY sequence').all()
    const firstText = `{"action":"site.create","actor":"M. Lindqvist","at":${rows[0]!.at},"details":"{\\"a\\":\\"x\\",\\"b\\":1}","sequence":1}`
    expect(rows[0]!.hash).toBe(createHash('sha256').update('0'.repeat(64)).update(firstText).digest('hex'))
    expect(rows[1]).toMatchObject({ previous_hash: rows[0]!.hash, hash: second.hash })
    expect(audit.verify()).toEqual({ ok: true, entries: 2 })
  })

  test('of a new site is whole', () => {
    expect(temporarySite().audit.verify()).toEqual({ ok: true, entries: 0 })
  })

  test('is read in pages, newest first', () => {
    const { audit } = temporarySite()
    for (let i = 1; i <= 7; i++) audit.append('me', `op.${i}`)
    expect(audit.page(undefined, 3).map(({ sequence }) => sequence)).toEqual([7, 6, 5])
    expect(audit.page(5, 3).map(({ action }) => action)).toEqual(['op.4', 'op.3', 'op.2'])
    expect(audit.page(1, 3)).toEqual([])
  })

  test('keeps no secret, at no depth', () => {
    const { audit, database } = temporarySite()
    const secrets = {
      psk: 'S3CRET',
      nested: [{ networkKey: 'S3CRET', name: 'kept' }],
      'pass-phrase': 'S3CRET',
      masterSecret: Uint8Array.of(1),
    }
    expect(audit.append('me', 'x', secrets).details).toEqual({
      psk: '[redacted]',
      nested: [{ networkKey: '[redacted]', name: 'kept' }],
      'pass-phrase': '[redacted]',
      masterSecret: '[redacted]',
    })
    expect(JSON.stringify(database.prepare('SELECT * FROM audit').all())).not.toContain('S3CRET')
  })

  test('refuses changes and deletions', () => {
    const { audit, database } = temporarySite()
    audit.append('me', 'x')
    expect(() => database.exec(`UPDATE audit SET actor = 'you'`)).toThrow(/append-only/)
    expect(() => database.exec('DELETE FROM audit')).toThrow(/append-only/)
    expect(() => database.exec(`REPLACE INTO audit SELECT 1, at, 'you', action, details, previous_hash, hash FROM audit`)).toThrow()
    expect(audit.page(undefined, 1)[0]?.actor).toBe('me')
  })

  test.each([
    ['a changed entry', `UPDATE audit SET details = '{"n":99}' WHERE sequence = 3`, 3],
    ['a changed time', 'UPDATE audit SET at = at + 1 WHERE sequence = 2', 2],
    ['a removed entry', 'DELETE FROM audit WHERE sequence = 2', 2],
    ['a removed end', 'DELETE FROM audit WHERE sequence = 5', 5],
    ['everything removed', 'DELETE FROM audit', 1],
    ['swapped actors', `UPDATE audit SET actor = 'b' WHERE sequence = 4`, 4],
  ])('shows %s', (_name, sql, brokenAt) => {
    const site = temporarySite()
    for (let n = 1; n <= 5; n++) site.audit.append('a', 'x', { n })
    loosen(site)
    site.database.exec(sql)
    expect(site.audit.verify()).toEqual({ ok: false, brokenAt })
  })

  test('takes details of any size and kind without growing without bound', () => {
    const { audit } = temporarySite()
    const cyclic: Record<string, unknown> = { big: 'x'.repeat(100_000) }
    cyclic.self = cyclic
    expect(audit.append('me', 'x', cyclic).details).toMatchObject({ omitted: 'too long' })
    expect(audit.verify().ok).toBe(true)
  })
})
