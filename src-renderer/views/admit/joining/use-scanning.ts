// Labels on their way from whatever read them to the list of who is expected: one at a time in their order, each with a sound, the last ones
// at hand with their way back.
import { ref, shallowRef } from 'vue'
import type { Ref, ShallowRef } from 'vue'
import type { Failure, ScanResult } from '#contract/model.ts'
import type { OpInput } from '#contract/ops.ts'
import { useOp } from '../../../composables/use-op.ts'
import { beep } from './beep.ts'
import { canUndo, scanTone } from './pledge-words.ts'

export interface Scanned extends ScanResult {
  /** Counts up: the same label may be scanned twice. */
  readonly number: number
  readonly undone: boolean
}

export interface Scanning {
  readonly recent: Readonly<ShallowRef<readonly Scanned[]>>
  readonly total: Readonly<Ref<number>>
  readonly busy: Readonly<Ref<boolean>>
  readonly failure: Readonly<ShallowRef<Failure | null>>
  scan(text: string): Promise<void>
  undo(scanned: Scanned): Promise<void>
  clear(): void
}

const SHOWN = 5
/** A camera sees the same label many times a second. */
const SAME_MS = 4000

export function useScanning(options: () => Pick<OpInput<'admission.scan'>, 'unknown' | 'create'>, isLoud: () => boolean): Scanning {
  const recent = shallowRef<readonly Scanned[]>([])
  const total = ref(0)
  const op = useOp('admission.scan')
  const unlist = useOp('admission.unlist')
  let tail: Promise<unknown> = Promise.resolve()
  let last = { text: '', at: Number.NEGATIVE_INFINITY }

  async function take(text: string): Promise<void> {
    const found = await op.run({ text, ...options() })
    if (found === undefined) {
      if (isLoud()) beep(false)
      return
    }
    const scanned = found.results.map((result) => ({ ...result, number: ++total.value, undone: false }))
    recent.value = [...scanned.toReversed(), ...recent.value].slice(0, SHOWN)
    if (isLoud()) beep(scanned.every((result) => scanTone(result) !== 'failed'))
  }

  return {
    recent,
    total,
    busy: op.busy,
    failure: op.failure,
    scan(text) {
      const now = performance.now()
      if (text.trim() === '' || (text === last.text && now - last.at < SAME_MS)) return Promise.resolve()
      last = { text, at: now }
      const done = tail.then(() => take(text))
      tail = done
      return done
    },
    async undo(scanned) {
      if (!canUndo(scanned) || scanned.entryId === null) return
      if ((await unlist.run({ ids: [scanned.entryId] })) === undefined) return
      last = { text: '', at: Number.NEGATIVE_INFINITY }
      recent.value = recent.value.map((each) => (each.number === scanned.number ? { ...each, undone: true } : each))
    },
    clear: op.clear,
  }
}
