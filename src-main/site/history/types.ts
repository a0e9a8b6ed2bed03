// The journal of project edits: what an entry is, the port of the store that keeps it, and those that follow what it brings back.

/** `final`: what was done cannot be undone, because keys were changed with it or others have been told. */
export type EntryState = 'done' | 'undone' | 'final'

/** What a person did at once, and how much of the project it touched. */
export interface HistoryEntry {
  readonly id: number
  readonly at: number
  readonly actor: string
  /** The op that did it; the window has words for each. */
  readonly op: string
  readonly state: EntryState
  /** Changed rows by kind. */
  readonly counts: Readonly<Record<string, number>>
  /** The name of what it was about first; null where it has none. */
  readonly name: string | null
}

export interface HistoryAction {
  readonly op: string
  readonly actor: string
  readonly at: number
  /** Stands in the journal but is passed over by undo. */
  readonly final: boolean
}

/** Keys of rows by kind, as `kindsOfHistory` lists them. */
export type Touched = ReadonlyMap<HistoryKind, ReadonlySet<string>>

export const historyKinds = [
  'room',
  'device',
  'coapGroup',
  'applicationGroup',
  /** `<deviceId> <groupId>` */
  'membership',
  'securityGroup',
  'protection',
  'template',
  'templateUse',
  'details',
] as const
export type HistoryKind = (typeof historyKinds)[number]

export interface Restored {
  readonly touched: Touched
  /** Rows that stay although the entry would take them away: the network has told of them since. */
  readonly kept: number
  /** Removed devices that came back without the keys that they shared with this tool. */
  readonly withoutKeys: number
}

/** Port: the journal at rest. An entry is written in the transactions of its edits; undoing is one transaction. */
export interface HistoryStore {
  /** Oldest first. */
  entries(): readonly HistoryEntry[]
  /** From now on, until `end`, edits of the project belong to one entry. */
  begin(action: HistoryAction): void
  /** The entry, unless nothing of the project was edited. `succeeded`: the action came to its end. */
  end(succeeded: boolean): HistoryEntry | undefined
  /** Brings the rows of an entry back as they were before it. Facts told by the network since then stay. */
  undo(id: number, at: number): Restored
  /** Brings the rows of an undone entry back as they were after it. */
  redo(id: number, at: number): Restored
  /** Forgets the oldest entries beyond so many entries or changes. */
  trim(limits: { readonly entries: number; readonly changes: number }): void
}

/** Somebody that has rows in memory: takes over what has changed under it. */
export interface HistoryFollower {
  /** Before rows are touched: what is in memory alone goes to the store. */
  flush?(): void
  adopt(touched: Touched): void
}
