// A failure in the person's language: what happened and why. The core's own sentence is English and for support only.
import { useI18n } from 'vue-i18n'
import type { Failure } from '#contract/model.ts'
import { failureFact, failureKey } from '../lib/failures.ts'

export interface FailureWords {
  readonly title: (failure: Failure) => string
  /** What its details tell, else what its code means. */
  readonly cause: (failure: Failure) => string
  readonly remedies: (failure: Failure) => readonly string[]
  /** Title and, where the details tell more, that: for a line or a hint. */
  readonly brief: (failure: Failure) => string
}

export function useFailureWords(): FailureWords {
  const i18n = useI18n()
  const { t, n } = i18n
  const baseOf = ({ code }: Failure): string => {
    const base = `failures.${failureKey(code)}`
    return i18n.te(`${base}.title`) || i18n.te(`${base}.title`, 'en') ? base : 'failures.internal'
  }
  const factOf = (failure: Failure): string | null => {
    const fact = failureFact(failure)
    if (fact === null) return null
    const params = Object.entries(fact.params).map(([name, value]) => [name, typeof value === 'number' ? n(value, 'count') : value])
    return t(`${baseOf(failure)}.${fact.name}`, Object.fromEntries(params) as Record<string, string>)
  }
  const title = (failure: Failure): string => t(`${baseOf(failure)}.title`)
  return {
    title,
    cause: (failure) => factOf(failure) ?? t(`${baseOf(failure)}.cause`),
    remedies: (failure) => {
      const found: unknown = i18n.tm(`${baseOf(failure)}.try`)
      return Array.isArray(found) ? found.map((each: unknown) => i18n.rt(each as string)) : []
    },
    brief: (failure) => [title(failure), factOf(failure)].filter((part) => part !== null).join(': '),
  }
}
