// Read models of the window: every feed is followed once, however many components look at it.
import { defineStore } from 'pinia'
import { getCurrentScope, onScopeDispose, readonly, ref, shallowReadonly, shallowRef } from 'vue'
import type { Ref, ShallowRef } from 'vue'
import type { feeds, FeedName, FeedRow } from '#contract/feeds.ts'
import { bridge } from '../bridge.ts'
import { FeedReader } from './feed-reader.ts'

type KeyFields = { readonly [Name in FeedName]: (typeof feeds)[Name]['key'] }

// The window takes only types from the contract (its schemas are for the core); the type holds this table to the contract's own.
const keyFields: KeyFields = {
  session: 'key',
  access: 'key',
  preferences: 'key',
  progress: 'step',
  checks: 'check',
  problems: 'id',
  rooms: 'id',
  devices: 'id',
  discovery: 'key',
  coapGroups: 'id',
  applicationGroups: 'id',
  memberships: 'key',
  plan: 'id',
  templates: 'id',
  templateUses: 'roomId',
  walk: 'key',
  history: 'key',
  maintenance: 'id',
  jobs: 'id',
  jobItems: 'key',
  testRuns: 'id',
  checklist: 'item',
  exports: 'handle',
  pushTargets: 'id',
  writer: 'key',
  directory: 'key',
  links: 'id',
  ra: 'key',
  drift: 'deviceId',
  survey: 'key',
  trace: 'key',
  security: 'key',
  securityGroups: 'id',
  protections: 'groupId',
  securityMembers: 'key',
  securityDevices: 'deviceId',
  securityPlan: 'id',
  securityFindings: 'id',
  findings: 'id',
  groupSettings: 'key',
  admission: 'key',
  joining: 'key',
  pledges: 'key',
}

export interface Feed<Row> {
  readonly rows: Readonly<ShallowRef<readonly Row[]>>
  /** Reactive: a computed that asks for a row is computed again when the feed changes. */
  readonly byKey: (key: string) => Row | undefined
  /** True from the first snapshot on. */
  readonly ready: Readonly<Ref<boolean>>
}

interface Followed<Row> extends Feed<Row> {
  acquire(): void
  release(): void
}

/** Unmounting and mounting views in one navigation must not drop a feed that both look at. */
const LINGER_MS = 5_000

function follow<Name extends FeedName>(name: Name): Followed<FeedRow<Name>> {
  const field: string = keyFields[name]
  const reader = new FeedReader<FeedRow<Name>>((row) => String(Reflect.get(row, field)))
  const rows = shallowRef<ReadonlyArray<FeedRow<Name>>>([])
  const ready = ref(false)
  let users = 0
  let stop: (() => void) | null = null
  let lingering: ReturnType<typeof setTimeout> | null = null

  const start = (): void => {
    let current = true
    const end = bridge.subscribe(name, (message) => {
      if (!current) return
      const result = reader.read(message)
      if (result === 'gap') {
        // Not from within the callback: the bridge may still be handing out messages of the old subscription.
        current = false
        queueMicrotask(() => {
          if (stop === null) return
          stop()
          reader.restart()
          start()
        })
      } else if (result === 'applied') {
        rows.value = reader.rows
        ready.value = true
      }
    })
    stop = () => {
      current = false
      end()
    }
  }

  return {
    rows: shallowReadonly(rows),
    ready: readonly(ready),
    byKey: (key) => (rows.value.length === 0 ? undefined : reader.get(key)),
    acquire: () => {
      users += 1
      if (lingering !== null) clearTimeout(lingering)
      lingering = null
      if (stop === null) {
        reader.restart()
        start()
      }
    },
    release: () => {
      users -= 1
      if (users > 0) return
      lingering = setTimeout(() => {
        stop?.()
        stop = null
        ready.value = false
        // Old rows must not be taken for those of another site.
        rows.value = []
      }, LINGER_MS)
    },
  }
}

const useFollowed = defineStore('feeds', () => {
  const followed: { [Name in FeedName]?: Followed<FeedRow<Name>> } = {}

  function get<Name extends FeedName>(name: Name): Followed<FeedRow<Name>> {
    const known: Followed<FeedRow<Name>> | undefined = followed[name]
    if (known !== undefined) return known
    const made = follow(name)
    Object.assign(followed, { [name]: made })
    return made
  }
  return { get }
})

/** Follows a feed for as long as the calling component or effect scope lives. */
export function useFeed<Name extends FeedName>(name: Name): Feed<FeedRow<Name>> {
  const feed = useFollowed().get(name)
  feed.acquire()
  if (getCurrentScope() !== undefined) onScopeDispose(() => feed.release())
  return feed
}
