// Changes of memberships, in calls that the contract takes, with the newest one that can be taken back.
import { ref, shallowRef } from 'vue'
import type { Ref, ShallowRef } from 'vue'
import type { Failure, MembershipChange } from '#contract/model.ts'
import { useOp } from '../../composables/use-op.ts'
import { inBatches } from './matrix-model.ts'

export interface MembershipEdits {
  change(changes: readonly MembershipChange[]): Promise<void>
  undo(): Promise<void>
  /** What `undo` would take back. */
  readonly last: Readonly<ShallowRef<readonly MembershipChange[]>>
  readonly busy: Readonly<Ref<boolean>>
  readonly failure: Readonly<ShallowRef<Failure | null>>
  clear(): void
}

/** Strokes of one sitting; older ones are given up. */
const MAX_STROKES = 100

export function useMemberships(): MembershipEdits {
  const op = useOp('groups.setMemberships')
  const strokes: Array<readonly MembershipChange[]> = []
  const last = shallowRef<readonly MembershipChange[]>([])
  const busy = ref(false)

  async function send(changes: readonly MembershipChange[]): Promise<boolean> {
    busy.value = true
    try {
      for (const batch of inBatches(changes)) if ((await op.run({ changes: [...batch] })) === undefined) return false
      return true
    } finally {
      busy.value = false
    }
  }
  const show = (): void => {
    last.value = strokes.at(-1) ?? []
  }
  return {
    change: async (changes) => {
      if (changes.length === 0 || !(await send(changes))) return
      strokes.push(changes)
      if (strokes.length > MAX_STROKES) strokes.shift()
      show()
    },
    undo: async () => {
      const stroke = strokes.at(-1)
      if (stroke === undefined || !(await send(stroke.map((change) => ({ ...change, desired: !change.desired }))))) return
      strokes.pop()
      show()
    },
    last,
    busy,
    failure: op.failure,
    clear: () => op.clear(),
  }
}
