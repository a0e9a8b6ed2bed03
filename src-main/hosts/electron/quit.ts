// The end: the core reaches a safe point first, and says so when that takes long.
import { app } from 'electron'
import type { Clock, Logger } from '#main/base/index.ts'
import type { Program } from '#main/ipc/index.ts'
import type { Dialogs } from './dialogs.ts'

/** Below this, a message would only flicker. */
const PATIENCE_MS = 1500

export interface QuitterOptions {
  readonly program: Pick<Program, 'close'>
  readonly dialogs: Pick<Dialogs, 'askWhileFinishing'>
  readonly clock: Clock
  readonly logger: Logger
}

export interface Quitter {
  /** Called once just before the process ends. */
  beforeExit(callback: () => void): void
  /** Whether windows may close for good. */
  readonly finished: boolean
}

export function createQuitter({ program, dialogs, clock, logger }: QuitterOptions): Quitter {
  const callbacks: Array<() => void> = []
  let state: 'running' | 'finishing' | 'finished' = 'running'

  function finish(): void {
    if (state === 'finished') return
    state = 'finished'
    for (const callback of callbacks) callback()
    app.exit(0)
  }

  function begin(): void {
    state = 'finishing'
    const done = new AbortController()
    const patience = clock.setTimer(PATIENCE_MS, () => {
      dialogs.askWhileFinishing(done.signal).then(
        (quitNow) => {
          if (quitNow) finish()
        },
        (thrown: unknown) => logger.warn({ err: thrown }, 'the message about finishing failed'),
      )
    })
    program
      .close()
      .catch((thrown: unknown) => logger.error({ err: thrown }, 'the core did not close well'))
      .finally(() => {
        patience.cancel()
        done.abort()
        finish()
      })
  }

  app.on('before-quit', (event) => {
    if (state === 'finished') return
    event.preventDefault()
    if (state === 'running') begin()
  })
  app.on('window-all-closed', () => app.quit())

  return {
    beforeExit: (callback) => void callbacks.push(callback),
    get finished() {
      return state === 'finished'
    },
  }
}
