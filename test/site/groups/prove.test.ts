// The job that proves group after group: what it sends, and what counts as proof.
import { describe, expect, it } from 'vitest'
import { AppError } from '#main/base/index.ts'
import { createProveRunner, isProven } from '#main/site/groups/index.ts'
import type { MemberVerdict, TestMember, TestRunRow } from '#contract/model.ts'

const context = { jobId: 'job', index: 0, attempt: 1, signal: new AbortController().signal }

function member(verdict: MemberVerdict, seen: boolean | null = null): TestMember {
  return { deviceId: verdict, verdict, answerMs: null, heardCount: 0, code: null, seen }
}

function runner(members: readonly TestMember[], failure: TestRunRow['failure'] = null) {
  const sent: string[] = []
  const made = createProveRunner({
    bench: {
      actions: (groupId) =>
        groupId === 'empty'
          ? []
          : [
              { id: 'on', label: 'On', members: 1 },
              { id: 'blink', label: 'Blink', members: 1 },
            ],
      run: (groupId, action, repeats) => {
        sent.push(`${groupId} ${action} ${repeats}`)
        const row = { groupName: groupId, members: [...members], failure } as unknown as TestRunRow
        return { runId: 'run', finished: Promise.resolve(row) }
      },
    },
    wanted: (groupId) =>
      groupId === 'wished' ? { action: 'blink', repeats: 3 } : groupId === 'odd' ? { action: 'dance', repeats: 3 } : undefined,
  })
  return { made, sent }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    (thrown: unknown) => (thrown instanceof AppError ? thrown.code : 'other'),
  )
}

describe('proving groups', () => {
  it('sends what the template wants, else the first action that there is, once', async () => {
    const { made, sent } = runner([member('heard'), member('silent-changed'), member('unreadable', true)])
    for (const id of ['plain', 'wished', 'odd']) expect(await made.run(id, context)).toEqual({ state: 'ok' })
    expect(sent).toEqual(['plain on 1', 'wished blink 3', 'odd on 1'])
  })

  it('fails where a member did not follow, where a person saw that it did not, and where nothing could be sent', async () => {
    expect(await codeOf(runner([member('heard'), member('unreadable')]).made.run('g', context))).toBe('test.members-open')
    expect(await codeOf(runner([member('heard', false)]).made.run('g', context))).toBe('test.members-open')
    const broken = runner([], { code: 'network.down', message: 'gone', retryable: true, details: {} })
    expect(await codeOf(broken.made.run('g', context))).toBe('test.not-run')
    expect(await codeOf(runner([]).made.run('empty', context))).toBe('test.no-action')
  })

  it('takes a person’s eyes before any answer', () => {
    expect([isProven(member('heard', false)), isProven(member('not-changed', true)), isProven(member('waiting'))]).toEqual([
      false,
      true,
      false,
    ])
  })
})
