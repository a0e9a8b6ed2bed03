// The object that every host gives to the window, as `window.groupwright`.
import type { FeedMessage, FeedName } from './feeds.ts'
import type { OpInput, OpName, Reply } from './ops.ts'

export interface Bridge {
  call<Name extends OpName>(name: Name, input: OpInput<Name>): Promise<Reply<Name>>
  /** Calls back with a snapshot, then with deltas; the returned function ends it. */
  subscribe<Name extends FeedName>(feed: Name, listener: (message: FeedMessage<Name>) => void): () => void
  /** Calls back when the way to the core is lost or restored; restored means that feeds start again with a snapshot. */
  onConnection(listener: (connected: boolean) => void): () => void
}
