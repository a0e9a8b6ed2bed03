// Apply jobs carry out both: memberships in groups, and in security groups. Which it is tells the item's subject.
import type { JobRunner } from '#main/site/jobs/index.ts'
import type { SiteSecurity } from './security.ts'

export function withSecurity(runner: JobRunner, security: Pick<SiteSecurity, 'engine'>): JobRunner {
  if (runner.kind !== 'apply') return runner
  return {
    ...runner,
    run: (subject, context) => (security.engine.isSubject(subject) ? security.engine.run(subject, context) : runner.run(subject, context)),
  }
}
