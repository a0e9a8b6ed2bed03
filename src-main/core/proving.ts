// The job that proves groups one after the other, each with the test that its room's template asks for where there is one.
import { AppError } from '#main/base/index.ts'
import { createProveRunner } from '#main/site/groups/index.ts'
import type { GroupEngine, TestBench } from '#main/site/groups/index.ts'
import type { JobService } from '#main/site/jobs/index.ts'
import type { GroupEvidence } from '#main/site/overview/index.ts'
import type { Templates } from '#main/site/templates/index.ts'

export interface ProvingPorts {
  readonly jobs: JobService
  readonly bench: TestBench
  readonly templates: Pick<Templates, 'useFeed'>
  readonly groups: Pick<GroupEngine, 'book'>
  /** What is proven of groups that have members. */
  readonly evidence: () => readonly GroupEvidence[]
}

export function createProving({ jobs, bench, templates, groups, evidence }: ProvingPorts): (groupIds?: readonly string[]) => string {
  const wanted = (groupId: string) => {
    const roomId = groups.book.groups.get(groupId)?.roomId
    return roomId === undefined || roomId === null
      ? undefined
      : templates.useFeed.get(roomId)?.tests.find((test) => test.groupId === groupId)
  }
  jobs.register(createProveRunner({ bench, wanted }))
  return (groupIds) => {
    const chosen = groupIds ?? evidence().flatMap(({ group, passed }) => (passed ? [] : [group.id]))
    const items = chosen.map((id) => ({ subject: id, label: groups.book.group(id).name }))
    if (items.length === 0) throw new AppError('job.nothing-to-do', 'Every group is proven')
    return jobs.start('prove', String(items.length), items)
  }
}
