// What a host needs to serve the contract.
import type { KeyedFeed } from '#main/base/index.ts'
import type { FeedMessage, FeedName, FeedRow } from '#contract/feeds.ts'
import type { OpName, OpOutput, OpParsed, Reply } from '#contract/ops.ts'

/** Who calls: for the audit. */
export interface Caller {
  readonly actor: string
}

/** One handler for each op; a missing one does not compile. */
export type Handlers = {
  readonly [Name in OpName]: (input: OpParsed<Name>, caller: Caller) => OpOutput<Name> | Promise<OpOutput<Name>>
}

/** The rows behind each feed. */
export type FeedSources = { readonly [Name in FeedName]: KeyedFeed<FeedRow<Name>> }

/** The contract as a host drives it. Never throws, whatever it is given. */
export interface ContractService {
  /** Validates, runs, and answers; unknown ops and bad inputs are replies too. */
  call(name: unknown, input: unknown, caller: Caller): Promise<Reply>
  /** A snapshot at once, then deltas, at most ten a second; undefined for an unknown feed. */
  subscribe(feed: unknown, listener: (message: FeedMessage) => void): (() => void) | undefined
  close(): void
}

/** The core and the contract over it: all that a host needs. */
export interface Program {
  readonly service: ContractService
  /** Opens a site file by its path (command line, file association). Throws `site.*` and `store.*`. */
  openSiteFile(path: string): Promise<void>
  /** The path behind an export's handle. */
  exportPath(handle: string): string | undefined
  /** The dataset of a dongle's network, keys included: on the command line alone, at the engineer's own wish; the audit says so. */
  networkDataset(linkId: string, actor: string): Promise<Uint8Array>
  /** Whether work is in flight that should reach a safe point first. */
  busy(): boolean
  /** Waits for a safe point, closes the site and everything else. */
  close(): Promise<void>
}
