import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { AppError, silentLogger } from '#main/base/index.ts'
import { createSiteFile, CURRENT_VERSION, listBackups, newestBackup, openSiteFile, peekSiteFile, storeFailure } from '#main/store/index.ts'
import { exampleSite, storePorts, temporaryFolder, temporarySite } from '../support/site-file.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const ports = storePorts()

function failureOf(work: () => unknown): AppError {
  try {
    work()
  } catch (thrown) {
    if (thrown instanceof AppError) return thrown
    throw thrown
  }
  throw new Error('did not fail')
}

/** The path of a closed site file with some content and a backup. */
function closedSite(devices = 300): string {
  const site = temporarySite()
  site.devices.saveRooms(
    Array.from({ length: devices }, (_, i) => ({
      id: `r${i}`,
      parentId: null,
      kind: 'room',
      name: `Room ${i} ${'x'.repeat(80)}`,
      position: i,
    })),
  )
  site.backup('manual')
  site.close()
  return site.path
}

function overwrite(path: string, offset: number, bytes: Uint8Array): void {
  const descriptor = openSync(path, 'r+')
  writeSync(descriptor, bytes, 0, bytes.length, offset)
  closeSync(descriptor)
}

describe('a new site file', () => {
  test('says what it is, and says it again when it is opened', () => {
    const clock = new VirtualClock()
    const site = temporarySite(storePorts(clock))
    const expected = { ...exampleSite, name: 'Harbour House', createdAt: clock.now(), createdWith: '0.1.0' }
    expect(site.meta()).toEqual(expected)
    expect(site.revision).toBe(0)
    site.setMeta('network', { bindAddress: '::1', coapPort: 5683 })
    expect(site.getMeta('network')).toEqual({ bindAddress: '::1', coapPort: 5683 })
    expect(site.getMeta('nothing')).toBeUndefined()
    site.setMeta('a_-1', 1)
    site.setMeta('a_-2', { two: 2 })
    site.setMeta('ab-3', 3)
    expect([...site.metaUnder('a_-')]).toEqual([
      ['a_-1', 1],
      ['a_-2', { two: 2 }],
    ])
    site.close()
    site.close()
    const again = openSiteFile(site.path, ports)
    expect(again.meta()).toEqual({ ...expected, network: { bindAddress: '::1', coapPort: 5683 } })
    again.close()
  })

  test('has WAL, full synchronisation, foreign keys and the application id GWST', () => {
    const { database, path } = temporarySite()
    const pragma = (name: string): unknown => database.pragma(name, { simple: true })
    expect([pragma('journal_mode'), pragma('synchronous'), pragma('foreign_keys'), pragma('user_version')]).toEqual([
      'wal',
      2,
      1,
      CURRENT_VERSION,
    ])
    expect(readFileSync(path).subarray(68, 72).toString('latin1')).toBe('GWST')
  })

  test('never replaces a file, whatever it is', () => {
    const path = join(temporaryFolder(), 'notes.gws')
    writeFileSync(path, 'mine')
    expect(failureOf(() => createSiteFile(path, exampleSite, ports)).code).toBe('site.name-taken')
    expect(readFileSync(path, 'utf8')).toBe('mine')
  })

  test('leaves nothing half-made behind, also after a crash in the middle of making one', () => {
    const folder = temporaryFolder()
    const path = join(folder, 'deep', 'site.gws')
    mkdirSync(dirname(path))
    writeFileSync(`${path}.partial`, 'left by a crash')
    createSiteFile(path, exampleSite, ports).close()
    expect(readdirSync(dirname(path)).sort()).toEqual(['site.backups', 'site.gws', 'site.gws.lock'])
  })
})

describe('what is not a site file', () => {
  test.each([
    ['an empty file', (path: string) => writeFileSync(path, '')],
    ['a text', (path: string) => writeFileSync(path, 'name;type\n'.repeat(500))],
    ['the first bytes of a database', (path: string) => writeFileSync(path, 'SQLite format 3\0')],
    ['random bytes', (path: string) => writeFileSync(path, Buffer.alloc(8192, 0xa5))],
    ['a folder', (path: string) => mkdirSync(path)],
    ['another program’s database', (path: string) => new BetterSqlite3(path).exec('CREATE TABLE t (x)').close()],
  ])('is refused: %s', (_name, make) => {
    const path = join(temporaryFolder(), 'other.gws')
    make(path)
    expect(failureOf(() => openSiteFile(path, ports)).code).toBe('store.not-a-site')
    expect(peekSiteFile(path)).toBeUndefined()
    expect(existsSync(`${path}.lock`)).toBe(false)
  })

  test('a missing file is `site.not-found`, and none is made', () => {
    const path = join(temporaryFolder(), 'missing.gws')
    expect(failureOf(() => openSiteFile(path, ports)).code).toBe('site.not-found')
    expect(existsSync(path)).toBe(false)
    expect(failureOf(() => openSiteFile(join(path, 'below'), ports)).code).toBe('site.not-found')
  })
})

describe('a damaged site file', () => {
  test.each([
    ['cut in half', (path: string) => truncateSync(path, Math.floor(statSync(path).size / 2))],
    ['cut inside the first page', (path: string) => truncateSync(path, 600)],
    ['cut behind the header', (path: string) => truncateSync(path, 100)],
    ['emptied', (path: string) => truncateSync(path, 0)],
    ['with a header of garbage', (path: string) => overwrite(path, 0, new Uint8Array(100).fill(0x55))],
    ['with garbage in its schema page', (path: string) => overwrite(path, 100, new Uint8Array(3000).fill(0xee))],
    ['with garbage in its pages', (path: string) => overwrite(path, 8192, new Uint8Array(60_000).fill(0x77))],
  ])('%s is `store.corrupt` and names the newest backup, which opens', (_name, damage) => {
    const path = closedSite()
    damage(path)
    const failure = failureOf(() => openSiteFile(path, ports))
    expect([failure.code, failure.details]).toEqual(['store.corrupt', { backup: newestBackup(path)?.path }])
    const rescued = join(temporaryFolder(), 'rescued.gws')
    copyFileSync(newestBackup(path)!.path, rescued)
    const site = openSiteFile(rescued, ports)
    expect(site.devices.rooms()).toHaveLength(300)
    site.close()
  })

  test('any single damaged stretch gives a site or a typed failure, never anything else', () => {
    const path = closedSite(60)
    const original = readFileSync(path)
    const codes = new Set<string>()
    for (let offset = 0; offset < original.length; offset += 3989) {
      const copy = join(dirname(path), `copy-${offset}.gws`)
      writeFileSync(copy, original)
      overwrite(
        copy,
        offset,
        Uint8Array.from({ length: 40 }, (_, i) => (offset * 31 + i * 7) & 255),
      )
      try {
        const site = openSiteFile(copy, ports)
        site.devices.rooms()
        site.audit.verify()
        site.close()
        codes.add('opened')
      } catch (thrown) {
        if (!(thrown instanceof AppError)) throw thrown
        codes.add(thrown.code)
      }
    }
    for (const code of codes) expect(['opened', 'store.corrupt', 'store.not-a-site', 'store.newer-version', 'store.io']).toContain(code)
    expect(codes).toContain('store.corrupt')
  })
})

describe('versions', () => {
  test('a newer file is refused and left as it is', () => {
    const path = closedSite(1)
    const raw = new BetterSqlite3(path)
    raw.pragma('user_version = 99')
    raw.close()
    const before = readFileSync(path)
    const failure = failureOf(() => openSiteFile(path, ports))
    expect([failure.code, failure.details]).toEqual(['store.newer-version', { fileVersion: 99, supportedVersion: CURRENT_VERSION }])
    expect(readFileSync(path).equals(before)).toBe(true)
    expect(peekSiteFile(path)).toBeUndefined()
  })
})

describe('failures of the disk', () => {
  test('a full disk is `store.disk-full`, the transaction is undone, and work goes on when there is room', () => {
    const site = temporarySite()
    const rooms = Array.from(
      { length: 2000 },
      (_, i) => ({ id: `r${i}`, parentId: null, kind: 'room', name: 'x'.repeat(100), position: i }) as const,
    )
    const pages = Number(site.database.pragma('page_count', { simple: true }))
    site.database.pragma(`max_page_count = ${pages + 2}`)
    const failure = failureOf(() => site.devices.saveRooms(rooms))
    expect([failure.code, failure.retryable]).toEqual(['store.disk-full', true])
    expect(site.devices.rooms()).toEqual([])
    site.database.pragma('max_page_count = 100000')
    site.devices.saveRooms(rooms)
    expect(site.devices.rooms()).toHaveLength(2000)
  })

  test.each([
    ['SQLITE_FULL', 'store.disk-full'],
    ['SQLITE_READONLY_DIRECTORY', 'store.read-only'],
    ['SQLITE_IOERR_WRITE', 'store.io'],
    ['SQLITE_CORRUPT_INDEX', 'store.corrupt'],
    ['SQLITE_BUSY_SNAPSHOT', 'site.locked'],
    ['SQLITE_CONSTRAINT_FOREIGNKEY', 'internal'],
  ])('%s is %s', (code, expected) => {
    expect(storeFailure(new BetterSqlite3.SqliteError('text', code))).toMatchObject({ code: expected })
  })

  test('a file that may not be written, in a folder that may not be written, is `store.read-only`', () => {
    const path = closedSite(1)
    chmodSync(path, 0o444)
    chmodSync(dirname(path), 0o555)
    // The superuser may write everything, so another user has to try.
    const root = process.getuid?.() === 0
    const script = join(import.meta.dirname, 'open-child.ts')
    const result = spawnSync(process.execPath, [script, path], { encoding: 'utf8', ...(root ? { uid: 65_534, gid: 65_534 } : {}) })
    chmodSync(dirname(path), 0o755)
    expect(result.stdout.trim() || result.stderr).toBe('store.read-only')
  })
})

describe('backups', () => {
  test('form a ring of five beside the file, in the order they were made, whatever the clock says', () => {
    const clock = new VirtualClock()
    const site = temporarySite(storePorts(clock))
    const paths = Array.from({ length: 7 }, (_, i) => {
      clock.jumpWallClock(-3_600_000)
      site.bumpRevision()
      return site.backup(`Reason ${i}!`)
    })
    expect(listBackups(site.path).map((backup) => backup.path)).toEqual(paths.slice(2))
    expect(newestBackup(site.path)).toMatchObject({ reason: 'reason-6', revision: 7 })
    expect(dirname(paths[6]!)).toBe(join(dirname(site.path), 'site.backups'))
  })

  test('are whole sites of their own, taken while the site is in use', () => {
    const site = temporarySite()
    site.devices.saveRooms([{ id: 'r', parentId: null, kind: 'room', name: 'Lab', position: 0 }])
    site.audit.append('me', 'x')
    const copy = openSiteFile(site.backup('test'), ports)
    expect([copy.meta(), copy.revision, copy.devices.rooms(), copy.audit.verify()]).toEqual([
      site.meta(),
      site.revision,
      site.devices.rooms(),
      { ok: true, entries: 1 },
    ])
    copy.close()
  })

  test('are made at opening only when something changed since the newest one', () => {
    const site = temporarySite()
    site.devices.saveRooms([{ id: 'r', parentId: null, kind: 'room', name: 'Lab', position: 0 }])
    site.close()
    for (let i = 0; i < 3; i++) openSiteFile(site.path, ports).close()
    expect(listBackups(site.path).map(({ revision }) => revision)).toEqual([0, 1])
  })

  test('a backup that cannot be written does not keep anybody from opening the site, and is logged', () => {
    const site = temporarySite()
    site.bumpRevision()
    site.close()
    const folder = dirname(newestBackup(site.path)!.path)
    rmSync(folder, { recursive: true })
    writeFileSync(folder, 'a file where the folder should be')
    const warnings: string[] = []
    const again = openSiteFile(site.path, {
      ...ports,
      logger: { ...silentLogger, warn: (_fields, message) => void warnings.push(message) },
    })
    expect(again.revision).toBe(1)
    expect(warnings).toEqual(['the site was opened without a backup'])
    expect(failureOf(() => again.backup('manual')).code).toMatch(/^store\./)
    again.close()
  })

  test('leave files of others in their folder alone', () => {
    const site = temporarySite()
    const foreign = join(dirname(newestBackup(site.path)!.path), 'readme.txt')
    writeFileSync(foreign, 'mine')
    for (let i = 0; i < 8; i++) site.backup('x')
    expect(existsSync(foreign)).toBe(true)
    expect(listBackups(site.path)).toHaveLength(5)
  })
})

describe('one process writes a site', () => {
  test('a second opening is `site.locked`, also by another name of the file; closing lets go', () => {
    const site = temporarySite()
    const other = join(dirname(site.path), 'alias.gws')
    symlinkSync(site.path, other)
    for (const path of [site.path, other]) {
      const failure = failureOf(() => openSiteFile(path, ports))
      expect([failure.code, failure.details.pid]).toEqual(['site.locked', process.pid])
    }
    expect(peekSiteFile(site.path)).toEqual({ id: 'site-1', name: 'Harbour House', kind: 'demo' })
    site.close()
    openSiteFile(other, ports).close()
  })

  test('looking at a closed site leaves nothing beside it', () => {
    const site = createSiteFile(join(temporaryFolder(), 'Büro 50% #2?.gws'), exampleSite, ports)
    site.close()
    const { path } = site
    const before = readdirSync(dirname(path))
    expect(peekSiteFile(path)?.name).toBe('Harbour House')
    expect(readdirSync(dirname(path))).toEqual(before)
  })

  test('looking at a site that is open does not lose its locks', () => {
    const site = temporarySite()
    peekSiteFile(site.path)
    failureOf(() => openSiteFile(site.path, ports))
    const script = join(import.meta.dirname, 'open-child.ts')
    expect(spawnSync(process.execPath, [script, site.path], { encoding: 'utf8' }).stdout.trim()).toBe('site.locked')
  })
})
