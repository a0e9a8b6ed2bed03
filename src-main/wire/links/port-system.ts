// What the port list asks of the operating system, and the real one: Linux's sysfs, /dev and /proc, through plain file reads.
import { constants } from 'node:fs'
import { access, readdir, readFile, readlink, realpath, stat } from 'node:fs/promises'
import { thisPlatform, type Platform } from './line-errors.ts'

export interface PortSystem {
  readonly platform: Platform
  /** This process; what it has open itself is not "busy". */
  readonly pid: number
  /** Names in a directory, sorted; none where it cannot be read. */
  names(directory: string): Promise<readonly string[]>
  /** The path with all links resolved; undefined where there is nothing. */
  resolve(path: string): Promise<string | undefined>
  /** What a link points to, unresolved. */
  link(path: string): Promise<string | undefined>
  /** A short text file, trimmed. */
  text(path: string): Promise<string | undefined>
  access(path: string): Promise<'open' | 'denied' | 'missing'>
  /** The group that owns the file. */
  groupId(path: string): Promise<number | undefined>
}

async function orUndefined<Value>(wanted: Promise<Value>): Promise<Value | undefined> {
  try {
    return await wanted
  } catch {
    return undefined
  }
}

export const thisPortSystem: PortSystem = {
  platform: thisPlatform(),
  pid: process.pid,
  names: async (directory) => ((await orUndefined(readdir(directory))) ?? []).sort(),
  resolve: (path) => orUndefined(realpath(path)),
  link: (path) => orUndefined(readlink(path)),
  text: async (path) => (await orUndefined(readFile(path, 'utf8')))?.slice(0, 65_536).trim(),
  async access(path) {
    try {
      await access(path, constants.R_OK | constants.W_OK)
      return 'open'
    } catch {
      return (await orUndefined(stat(path))) === undefined ? 'missing' : 'denied'
    }
  },
  groupId: async (path) => (await orUndefined(stat(path)))?.gid,
}
