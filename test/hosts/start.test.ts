// What `npm start` decides by: whether out/ is fresh, and whether Electron's binary is here or comes in bounded time.
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fetchElectronBinary, findElectronBinary } from '../../build/electron-binary.ts'
import { isBuilt } from '../../build/ensure-built.ts'

let root = ''

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'groupwright-start-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

async function write(path: string, atS: number, text = ''): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true })
  await writeFile(join(root, path), text)
  await utimes(join(root, path), atS, atS)
}

async function age(path: string, atS: number): Promise<void> {
  await utimes(join(root, path), atS, atS)
}

async function builtTree(): Promise<void> {
  await write('src-main/core/a.ts', 100)
  await write('src-renderer/main.ts', 100)
  await write('package.json', 100)
  for (const folder of ['src-main/core', 'src-main', 'src-renderer']) await age(folder, 100)
  for (const product of ['main/index.js', 'preload/index.cjs', 'renderer/index.html']) await write(`out/${product}`, 200)
}

test('a build newer than every source is fresh', async () => {
  await builtTree()
  expect(isBuilt(root)).toBe(true)
})

test.each(['src-main/core/a.ts', 'src-renderer/main.ts', 'package.json', 'src-main/core'])(
  'a build older than %s is stale',
  async (path) => {
    await builtTree()
    await age(path, 300)
    expect(isBuilt(root)).toBe(false)
  },
)

test('a missing product, or nothing at all, is stale', async () => {
  expect(isBuilt(root)).toBe(false)
  await builtTree()
  await rm(join(root, 'out/preload/index.cjs'))
  expect(isBuilt(root)).toBe(false)
})

test('the binary is found where the package says it is, and only when it is there', async () => {
  expect(findElectronBinary(root, {})).toBeUndefined()
  await write('path.txt', 1, 'electron')
  expect(findElectronBinary(root, {})).toBeUndefined()
  await write('dist/electron', 1)
  expect(findElectronBinary(root, {})).toBe(join(root, 'dist/electron'))
  expect(findElectronBinary(root, { ELECTRON_OVERRIDE_DIST_PATH: join(root, 'elsewhere') })).toBeUndefined()
  await write('elsewhere/electron', 1)
  expect(findElectronBinary(root, { ELECTRON_OVERRIDE_DIST_PATH: join(root, 'elsewhere') })).toBe(join(root, 'elsewhere/electron'))
})

test('a download that fails, as it does offline, ends at once', async () => {
  await write('install.js', 1, 'process.exit(1)')
  expect(await fetchElectronBinary(root)).toBe(false)
})

test('a download that never begins ends when patience does', async () => {
  await write('install.js', 1, 'setInterval(() => {}, 1000)')
  expect(await fetchElectronBinary(root, { patienceMs: 600 })).toBe(false)
})

test('a download that grows slowly is waited for, and its bytes are told', async () => {
  await write(
    'install.js',
    1,
    `const fs = require('fs'), os = require('os'), path = require('path')
     const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'electron-download-')), 'electron.zip')
     let left = 5
     setInterval(() => { fs.appendFileSync(file, 'x'.repeat(10)); if (--left === 0) process.exit(0) }, 300)`,
  )
  const seen: number[] = []
  expect(await fetchElectronBinary(root, { patienceMs: 1000, onProgress: (bytes) => void seen.push(bytes) })).toBe(true)
  expect(seen.length).toBeGreaterThan(1)
  expect(seen).toEqual([...seen].sort((a, b) => a - b))
})
