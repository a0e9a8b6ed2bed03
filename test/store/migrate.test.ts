import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { AppError } from '#main/base/index.ts'
import { CURRENT_VERSION, listBackups, openSiteFile } from '#main/store/index.ts'
import { fileVersion, migrate } from '../../src-main/store/migrate.ts'
import { APPLICATION_ID } from '../../src-main/store/site-database.ts'
import { storePorts, temporaryFolder, temporarySite } from '../support/site-file.ts'

/** An untouched file of version 0: what a site file is before its first migration. */
function versionZero(): string {
  const path = join(temporaryFolder(), 'old.gws')
  const raw = new BetterSqlite3(path)
  raw.pragma(`application_id = ${APPLICATION_ID}`)
  raw.exec('CREATE TABLE marker (x)')
  raw.close()
  return path
}

function schemaOf(database: BetterSqlite3.Database): unknown {
  return database.prepare(`SELECT type, name, sql FROM sqlite_schema WHERE name <> 'marker' ORDER BY name`).all()
}

describe('migrations', () => {
  test('take a file from version 0 to the current one, with a backup of what it was', () => {
    const path = versionZero()
    const before = readFileSync(path).length
    const site = openSiteFile(path, storePorts())
    expect(fileVersion(site.database)).toBe(CURRENT_VERSION)
    expect(schemaOf(site.database)).toEqual(schemaOf(temporarySite().database))
    const backup = listBackups(path)[0]
    expect(backup?.reason).toBe(`before-version-${CURRENT_VERSION}`)
    const old = new BetterSqlite3(backup?.path ?? '', { readonly: true })
    expect(old.pragma('user_version', { simple: true })).toBe(0)
    expect(old.pragma('application_id', { simple: true })).toBe(APPLICATION_ID)
    old.close()
    expect(before).toBeGreaterThan(0)
    site.close()
  })

  test('leave the last whole version behind when a step fails', () => {
    const database = new BetterSqlite3(':memory:')
    const steps = ['CREATE TABLE one (x)', 'CREATE TABLE two (x); CREATE TABLE one (x)']
    expect(() => migrate(database, 2, steps)).toThrow(AppError)
    expect(fileVersion(database)).toBe(1)
    expect(database.prepare('SELECT name FROM sqlite_schema').pluck().all()).toEqual(['one'])
  })

  test('run each step once, in order', () => {
    const database = new BetterSqlite3(':memory:')
    const steps = ['CREATE TABLE log (n); INSERT INTO log VALUES (1)', 'INSERT INTO log VALUES (2)', 'INSERT INTO log VALUES (3)']
    migrate(database, 2, steps)
    migrate(database, 3, steps)
    migrate(database, 3, steps)
    expect(database.prepare('SELECT n FROM log').pluck().all()).toEqual([1, 2, 3])
  })
})
