// The language that the window speaks, as the contract names it: the preference, else the system's.
import { computed } from 'vue'
import type { ComputedRef } from 'vue'
import { useI18n } from 'vue-i18n'
import { systemLanguage } from '../i18n.ts'
import type { Language } from '../i18n.ts'

export function useLanguage(): ComputedRef<Language> {
  const { locale } = useI18n()
  return computed(() => systemLanguage([locale.value]))
}
