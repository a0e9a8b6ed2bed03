// Builds out/ when it is missing or older than what it is made of.
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const SOURCES = ['src-main', 'src-preload', 'src-renderer', 'electron.vite.config.ts', 'package.json', 'package-lock.json']
const PRODUCTS = ['out/main/index.js', 'out/preload/index.cjs', 'out/renderer/index.html']

/** Whether every product is there and no source is newer than the oldest of them. */
export function isBuilt(root: string): boolean {
  const built = PRODUCTS.map((product) => modifiedMs(join(root, product)))
  if (built.some((time) => time === undefined)) return false
  const oldestMs = Math.min(...built.filter((time) => time !== undefined))
  return SOURCES.every((source) => newestMs(join(root, source)) <= oldestMs)
}

/** Builds if it must; false when the build failed, which has told why on the terminal. */
export function ensureBuilt(root: string, say: (line: string) => void): boolean {
  if (isBuilt(root)) return true
  say('Building Groupwright …')
  const builder = join(root, 'node_modules/electron-vite/bin/electron-vite.js')
  const { status } = spawnSync(process.execPath, [builder, 'build', '--logLevel', 'warn'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return status === 0
}

function newestMs(path: string): number {
  const ownMs = modifiedMs(path)
  if (ownMs === undefined) return Number.NEGATIVE_INFINITY
  if (!statSync(path).isDirectory()) return ownMs
  // The folder's own time counts: a removed file leaves no other trace.
  return readdirSync(path).reduce((newest, name) => Math.max(newest, newestMs(join(path, name))), ownMs)
}

function modifiedMs(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs
}
