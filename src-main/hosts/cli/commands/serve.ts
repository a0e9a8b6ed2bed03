// groupwright serve: a site without a window, until interrupted.
import { existsSync } from 'node:fs'
import { MessageChannel } from 'node:worker_threads'
import { AppError } from '#main/base/index.ts'
import type { FailureCode } from '#contract/failures.ts'
import type { CommandContext } from '../context.ts'
import { openProgram, sitePath } from '../open.ts'
import { EXIT } from '../output.ts'
import { createAt } from './site.ts'

/** Resolves when the process is asked to end, by Ctrl-C or by a service manager; holds it until then. */
function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    const keepAlive = new MessageChannel()
    keepAlive.port1.on('message', () => undefined)
    const end = (): void => {
      keepAlive.port1.close()
      resolve()
    }
    process.once('SIGINT', end)
    process.once('SIGTERM', end)
  })
}

export async function serve({ options }: CommandContext): Promise<number> {
  if (options.site === undefined)
    throw new AppError('input.invalid', 'Name the site file with --site FILE', { details: { option: '--site' } })
  const path = sitePath(options.site)
  const { program, session } = openProgram({ ...options, joining: options.joining ?? 'proxy', resumeJobs: true, advertise: true })
  try {
    if (options.demo !== undefined && !existsSync(path)) await createAt(session, path, options)
    else if (existsSync(path)) await program.openSiteFile(path)
    else throw new AppError('site.not-found', `There is no site file ${path}`, { details: { path } })
    const [row] = session.rows('session')
    if (row?.network.state === 'failed') {
      const { code, message, details } = row.network.failure ?? {
        code: 'network.down',
        message: 'The network did not come up',
        details: {},
      }
      throw new AppError(code as FailureCode, message, { details: details as AppError['details'] })
    }
    process.stdout.write(`${JSON.stringify({ ready: true, site: path, listening: row?.network.listening ?? [] })}\n`)
    await interrupted()
    return EXIT.ok
  } finally {
    await program.close()
  }
}
