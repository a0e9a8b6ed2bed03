// What a job is called in the person's language. The core's title names only what it is about: a group, or how many.
import { useI18n } from 'vue-i18n'
import type { JobRow } from '#contract/model.ts'

export function useJobTitle(): (job: JobRow) => string {
  const { t, n } = useI18n()
  return (job) => {
    const count = n(job.total, 'count')
    const again = job.retryOf === null ? '' : ` ${t('frame.jobs.again')}`
    if (job.kind !== 'verify') return t(`frame.jobs.kind.${job.kind}`, { count }, job.total) + again
    const groups = Number(job.title)
    return (
      (Number.isInteger(groups)
        ? t('frame.jobs.kind.verify', { count: n(groups, 'count') }, groups)
        : t('frame.jobs.kind.verify-one', { name: job.title })) + again
    )
  }
}
