// The lock between real processes.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { AppError } from '#main/base/index.ts'
import { openSiteFile } from '#main/store/index.ts'
import { storePorts, temporarySite } from '../support/site-file.ts'

const CHILD = join(import.meta.dirname, 'open-child.ts')

/** A process that tried to open the site, and its first line. */
async function opener(path: string, ...more: string[]): Promise<{ readonly child: ChildProcess; readonly said: string }> {
  const child = spawn(process.execPath, [CHILD, path, ...more], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [chunk] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
  return { child, said: chunk.trim() }
}

function closedSitePath(): string {
  const site = temporarySite()
  site.close()
  return site.path
}

test('the holder is named by process and host, and a kill -9 in the middle of writing frees the site at once', async () => {
  const path = closedSitePath()
  for (let round = 0; round < 4; round++) {
    const { child, said } = await opener(path, 'hold')
    expect(said).toBe('opened')
    let failure: unknown
    try {
      openSiteFile(path, storePorts())
    } catch (thrown) {
      failure = thrown
    }
    expect(failure).toBeInstanceOf(AppError)
    expect(failure).toMatchObject({ code: 'site.locked', details: { pid: child.pid, host: hostname() } })
    child.kill('SIGKILL')
    await once(child, 'exit')
    const site = openSiteFile(path, storePorts())
    expect(site.audit.verify().ok).toBe(true)
    site.close()
  }
})

test('of many processes that come at the same time exactly one gets the site', async () => {
  const path = closedSitePath()
  const openers = await Promise.all(Array.from({ length: 6 }, () => opener(path, 'hold')))
  expect(openers.map(({ said }) => said).sort()).toEqual(['opened', ...Array.from({ length: 5 }, () => 'site.locked')].sort())
})
