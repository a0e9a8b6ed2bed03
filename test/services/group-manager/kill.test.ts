// kill -9: what was said to be done is in the file, whole, and no Gid comes back.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { createSiteFile } from '#main/store/index.ts'
import { exampleSite, storePorts, temporaryFolder } from '../../support/site-file.ts'

interface Line {
  readonly gid: string
  readonly generation: number
  readonly authorised: number
}

/** Lets it run until it has said so many things, then kills it. */
function runAndKill(
  file: string,
  lines: number,
): Promise<{ readonly opened: Line; readonly last: Line; readonly gids: readonly string[] }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'kill-child.ts'), file], { stdio: ['ignore', 'pipe', 'inherit'] })
    const said: Line[] = []
    const reader = createInterface({ input: child.stdout })
    reader.on('line', (text) => {
      said.push(JSON.parse(text.slice(5)) as Line)
      if (said.length === lines) child.kill('SIGKILL')
    })
    child.on('error', reject)
    reader.on('close', () => {
      const [opened] = said
      const last = said.at(-1)
      if (opened === undefined || last === undefined) reject(new Error('it said nothing'))
      else resolve({ opened, last, gids: said.map(({ gid }) => gid) })
    })
  })
}

it('rekeying that a killed program has committed stands when it starts again, and Gids only rise', async () => {
  const file = join(temporaryFolder(), 'site.gws')
  createSiteFile(file, exampleSite, storePorts()).close()
  const used = new Set<string>()
  let before: Line | undefined
  for (const lines of [40, 23, 61]) {
    const { opened, last, gids } = await runAndKill(file, lines)
    if (before !== undefined) {
      // Whatever was told is there; one step more may be, which was not told any more.
      expect(opened.generation - before.generation).toBeGreaterThanOrEqual(0)
      expect(opened.authorised - before.authorised).toBeGreaterThanOrEqual(0)
      expect(opened.gid === before.gid).toBe(opened.generation === before.generation)
    }
    const fresh = opened.gid === before?.gid ? gids.slice(1) : gids
    for (const gid of fresh) {
      expect(used.has(gid)).toBe(false)
      used.add(gid)
    }
    before = last
  }
}, 60_000)
