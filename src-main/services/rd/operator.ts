// The directory with what its operator sees and sets: a list, lookups as text, a version to follow, settings while it runs.
import { AppError, type Clock, type Timer } from '#main/base/index.ts'
import { formatLinkFormat } from '#main/wire/coap/index.ts'
import { Directory } from './directory.ts'
import { readLookupQuery } from './filter.ts'
import type {
  DirectoryPage,
  DirectoryRow,
  DirectorySettings,
  DirectorySettingsChange,
  DirectoryViewQuery,
  RegistrationTextInput,
  ResourceDirectory,
} from './operator-types.ts'
import { readLinks } from './links.ts'
import { invalid, LONGEST_LIFETIME_S } from './parameters.ts'
import type { DirectoryOptions, Registration, RegistrationInput } from './types.ts'
import { DirectoryView, rowOf } from './view.ts'

const TOGETHER_MS = 100
const OPERATOR = { origins: [], channelId: '', zone: undefined, isOperator: true }

export class OperatedDirectory extends Directory implements ResourceDirectory {
  readonly #clock: Clock
  readonly #view: DirectoryView
  readonly #watchers = new Set<(version: number) => void>()
  readonly #onSettings: (settings: DirectorySettings) => void
  #timer: Timer | undefined

  /** `onSettings` is told of changed ones. */
  constructor(options: DirectoryOptions, onSettings: (settings: DirectorySettings) => void) {
    super(options)
    this.#clock = options.clock
    this.#view = new DirectoryView(options.clock)
    this.#onSettings = onSettings
  }

  view(query: DirectoryViewQuery): DirectoryPage {
    return this.#view.page(this.table, this.version, query)
  }

  row(id: string): DirectoryRow | undefined {
    const record = this.get(id)
    return record === undefined ? undefined : rowOf(record, this.#clock.now())
  }

  override remove(id: string): boolean {
    this.#view.forget()
    return super.remove(id)
  }

  override register(...input: Parameters<Directory['register']>): ReturnType<Directory['register']> {
    this.#view.forget()
    return super.register(...input)
  }

  registerText({ links, ...input }: RegistrationTextInput): Registration {
    return this.register({ ...input, links: readLinks(links) })
  }

  registerOwnLinks(input: RegistrationInput): Registration {
    if (this.find(input.endpointName, input.sector)?.source !== undefined) {
      throw new AppError('access.denied', 'An endpoint has registered under this name')
    }
    return this.register({ ...input, lifetimeS: input.lifetimeS ?? LONGEST_LIFETIME_S })
  }

  lookup(kind: 'res' | 'ep', query: string): string {
    const read = readLookupQuery(query === '' ? [] : query.split('&').map(decodedPart))
    return formatLinkFormat(kind === 'res' ? this.lookupResources(read, OPERATOR) : this.lookupEndpoints(read, OPERATOR))
  }

  watch(listener: (version: number) => void): () => void {
    const first = this.#watchers.size === 0
    this.#watchers.add(listener)
    if (first) this.#endWatch = this.onChange(() => this.#tellSoon())
    return () => {
      if (!this.#watchers.delete(listener) || this.#watchers.size > 0) return
      this.#endWatch()
      this.#timer?.cancel()
      this.#timer = undefined
    }
  }

  configure(change: DirectorySettingsChange): DirectorySettings {
    this.changeSettings(change)
    this.#onSettings(this.settings)
    return this.settings
  }

  override close(): void {
    this.#timer?.cancel()
    this.#watchers.clear()
    super.close()
  }

  #endWatch: () => void = () => undefined

  #tellSoon(): void {
    this.#timer ??= this.#clock.setTimer(TOGETHER_MS, () => {
      this.#timer = undefined
      for (const watcher of this.#watchers) watcher(this.version)
    })
  }
}

function decodedPart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw invalid(part.split('=', 1)[0] ?? '', 'A search criterion is not percent-encoded as it should be')
  }
}
