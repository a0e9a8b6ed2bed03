// A contract service over handlers and read models that a test owns.
import { AppError, KeyedFeed, silentLogger } from '#main/base/index.ts'
import type { Clock, Logger } from '#main/base/index.ts'
import { createContractService } from '#main/ipc/serve.ts'
import type { ContractService, FeedSources, Handlers } from '#main/ipc/types.ts'
import { feedNames, feeds as feedTable } from '#contract/feeds.ts'
import type { FeedName } from '#contract/feeds.ts'
import { opNames } from '#contract/ops.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

export interface ContractDouble {
  readonly service: ContractService
  readonly feeds: FeedSources
}

export interface ContractDoubleOptions {
  readonly handlers?: Partial<Handlers>
  readonly clock?: Clock
  readonly logger?: Logger
  readonly checkOutputs?: boolean
}

/** Ops without a handler of the test's fail with `site.none-open`. */
export function contractDouble(options: ContractDoubleOptions = {}): ContractDouble {
  const refuse = (): never => {
    throw new AppError('site.none-open', 'No site is open')
  }
  const handlers = { ...Object.fromEntries(opNames.map((name) => [name, refuse])), ...options.handlers } as unknown as Handlers
  const feeds = Object.fromEntries(feedNames.map((name) => [name, emptyFeed(name)])) as unknown as FeedSources
  const service = createContractService({
    handlers,
    feeds,
    clock: options.clock ?? new VirtualClock(),
    logger: options.logger ?? silentLogger,
    checkOutputs: options.checkOutputs ?? true,
  })
  return { service, feeds }
}

function emptyFeed(name: FeedName): KeyedFeed<Record<string, unknown>> {
  const { key } = feedTable[name]
  return new KeyedFeed((row) => String(row[key]))
}
