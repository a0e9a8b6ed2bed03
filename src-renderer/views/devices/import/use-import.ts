// The import as it goes: a file's text, its mapping, corrections, and the dry run that answers each of them.
import { computed, ref, shallowRef } from 'vue'
import type { ImportEdit, ImportField, ImportMapping, ImportPreview } from '#contract/model.ts'
import type { OpInput } from '#contract/ops.ts'
import { useOp } from '../../../composables/use-op.ts'
import type { Done } from '../../../composables/use-op.ts'
import { usePreferences } from '../../../composables/use-preferences.ts'
import { mapColumn, rememberedMapping, withEdit, withMapping } from './import-model.ts'

const VIEW = 'devices.import'

export function useImport() {
  const preferences = usePreferences()
  const preview = useOp('devices.importPreview')
  const apply = useOp('devices.importApply')
  const demoList = useOp('demo.deviceList')

  const fileName = ref('')
  const text = ref('')
  const delimiter = ref<string | null>(null)
  const mapping = shallowRef<ImportMapping | null>(null)
  const edits = shallowRef<readonly ImportEdit[]>([])
  const result = shallowRef<ImportPreview | null>(null)
  const done = shallowRef<Done<'devices.importApply'> | null>(null)
  let asked = 0

  function input(): OpInput<'devices.importPreview'> {
    return {
      text: text.value,
      ...(delimiter.value === null ? {} : { delimiter: delimiter.value }),
      ...(mapping.value === null ? {} : { mapping: mapping.value }),
      ...(edits.value.length === 0 ? {} : { edits: [...edits.value] }),
    }
  }

  async function dryRun(): Promise<void> {
    asked += 1
    const mine = asked
    const found = await preview.run(input())
    // Only the newest question counts: answers may overtake each other.
    if (mine !== asked) return
    result.value = found ?? null
  }

  async function take(name: string, content: string): Promise<void> {
    fileName.value = name
    text.value = content
    delimiter.value = null
    mapping.value = null
    edits.value = []
    done.value = null
    await dryRun()
    const remembered = result.value === null ? null : rememberedMapping(preferences.view(VIEW), result.value.columns)
    if (remembered === null || result.value === null) return
    mapping.value = remembered
    await dryRun()
  }

  return {
    fileName,
    result,
    done,
    edits: computed(() => edits.value.length),
    busy: preview.busy,
    applying: apply.busy,
    failure: computed(() => preview.failure.value ?? apply.failure.value ?? demoList.failure.value),
    take,
    async takeDemoList(): Promise<void> {
      const list = await demoList.run({})
      if (list !== undefined) await take(list.fileName, list.text)
    },
    async setDelimiter(next: string): Promise<void> {
      delimiter.value = next
      mapping.value = null
      edits.value = []
      await dryRun()
    },
    async map(field: ImportField, column: number | null): Promise<void> {
      mapping.value = mapColumn(mapping.value ?? result.value?.mapping ?? {}, field, column)
      await dryRun()
    },
    async edit(change: ImportEdit): Promise<void> {
      edits.value = withEdit(edits.value, change)
      await dryRun()
    },
    async run(): Promise<void> {
      const columns = result.value?.columns
      const used = mapping.value ?? result.value?.mapping
      const counts = await apply.run(input())
      if (counts === undefined) return
      done.value = counts
      if (columns !== undefined && used !== undefined) await preferences.remember(VIEW, withMapping(preferences.view(VIEW), columns, used))
    },
    reset(): void {
      asked += 1
      fileName.value = ''
      text.value = ''
      delimiter.value = null
      mapping.value = null
      edits.value = []
      result.value = null
      done.value = null
      for (const op of [preview, apply, demoList]) op.clear()
    },
  }
}

export type Import = ReturnType<typeof useImport>
