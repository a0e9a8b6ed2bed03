// A built main bundle running on the double, as a test drives it.
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Command } from './control.ts'

export interface AppOptions {
  readonly mainBundle: string
  /** `GROUPWRIGHT_HOME`. */
  readonly home: string
  readonly args?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

export interface AppState {
  readonly sandboxed: boolean
  readonly privileged: readonly unknown[]
  readonly denials: readonly string[]
  readonly shown: readonly string[]
  readonly dialogs: ReadonlyArray<{ readonly text: string; readonly buttons: readonly string[] }>
  readonly menu: ReadonlyArray<{
    readonly label?: string
    readonly submenu?: ReadonlyArray<{ readonly id?: string; readonly enabled?: boolean }>
  }>
  readonly windows: ReadonlyArray<{
    readonly options: { readonly width?: number; readonly x?: number; readonly webPreferences: Readonly<Record<string, unknown>> }
    readonly visible: boolean
    readonly focused: number
    readonly minimized: boolean
  }>
}

export class AppUnderTest {
  readonly #child: ChildProcess
  readonly #pending = new Map<number, { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }>()
  /** The exit code. */
  readonly exited: Promise<number | null>
  output = ''
  #serial = 0

  constructor({ mainBundle, home, args = [], environment = {} }: AppOptions) {
    const register = fileURLToPath(new URL('register.ts', import.meta.url))
    this.#child = fork(mainBundle, args, {
      execArgv: ['--import', register],
      env: { ...process.env, GROUPWRIGHT_HOME: home, NODE_OPTIONS: '', ...environment },
      silent: true,
    })
    const keep = (data: Buffer): void => void (this.output += data.toString())
    this.#child.stdout?.on('data', keep)
    this.#child.stderr?.on('data', keep)
    this.#child.on('message', (message: { readonly id?: number; readonly value?: unknown; readonly error?: string }) => {
      if (message.id === undefined) return
      const waiting = this.#pending.get(message.id)
      this.#pending.delete(message.id)
      if (message.error === undefined) waiting?.resolve(message.value)
      else waiting?.reject(new Error(message.error))
    })
    this.exited = new Promise((resolve) =>
      this.#child.on('exit', (code) => {
        for (const { reject } of this.#pending.values()) reject(new Error(`the app ended:\n${this.output}`))
        resolve(code)
      }),
    )
  }

  command(command: Command): Promise<unknown> {
    const id = (this.#serial += 1)
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#child.send({ id, command })
    })
  }

  /** In the page's own world; promises are awaited. */
  evaluate(expression: string): Promise<unknown> {
    return this.command({ name: 'evaluate', expression })
  }

  async state(): Promise<AppState> {
    return (await this.command({ name: 'state' })) as AppState
  }

  /** Asks again until the answer satisfies, at most as long as the test may take. */
  async when<Value>(ask: () => Promise<Value>, satisfied: (value: Value) => boolean): Promise<Value> {
    for (;;) {
      const value = await ask().catch(() => undefined)
      if (value !== undefined && satisfied(value)) return value
      if (this.#child.exitCode !== null) throw new Error(`the app ended:\n${this.output}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** The window is on the screen with its page. */
  async ready(): Promise<this> {
    await this.when(
      () => this.state(),
      ({ windows }) => windows.some(({ visible }) => visible),
    )
    return this
  }

  async end(): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill('SIGKILL')
    await this.exited
  }
}
