// The contract as it is served: STYLE of replies, validation at the trust boundary, logs without payloads.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AppError, silentLogger } from '#main/base/index.ts'
import type { Logger } from '#main/base/index.ts'
import { opNames } from '#contract/ops.ts'
import { contractDouble } from './contract-double.ts'

const caller = { actor: 'test' }

function recordingLogger(): { readonly logger: Logger; readonly lines: unknown[] } {
  const lines: unknown[] = []
  const record = (fields: Readonly<Record<string, unknown>>, message: string): void => void lines.push({ ...fields, message })
  return { lines, logger: { ...silentLogger, info: record, warn: record, error: record, debug: record } }
}

test('a handler gets the checked input with its defaults and the caller, and its value comes back', async () => {
  const { service } = contractDouble({
    handlers: {
      'test.run': (input, { actor }) => ({ runId: `${input.groupId} ${input.action} ${input.repeats} ${actor}` }),
    },
  })
  expect(await service.call('test.run', { groupId: 'g1', action: 'on' }, caller)).toEqual({ ok: true, value: { runId: 'g1 on 1 test' } })
})

test('an unknown op is a reply, names from the prototype chain included', async () => {
  const { service } = contractDouble()
  for (const name of ['site.destroy', '__proto__', 'constructor', 'toString', undefined, null, 7, {}, ['site.recent']]) {
    expect(await service.call(name, {}, caller)).toMatchObject({ ok: false, error: { code: 'input.unknown-op' } })
  }
})

test('an invalid input names the place and never repeats the value', async () => {
  const { service } = contractDouble()
  const reply = await service.call('devices.create', { name: '', type: 's3cret', roomId: null, eui64: null, serial: null }, caller)
  expect(reply).toMatchObject({
    ok: false,
    error: { code: 'input.invalid', retryable: false, details: { issueCount: 2, issues: [{ path: 'name' }, { path: 'type' }] } },
  })
  expect(JSON.stringify(reply)).not.toContain('s3cret')
})

test('a thousand mistakes are counted and twenty are listed', async () => {
  const { service } = contractDouble()
  const reply = await service.call('devices.remove', { ids: Array.from({ length: 1000 }, () => 5) }, caller)
  if (reply.ok) throw new Error('expected a failure')
  expect(reply.error.details.issueCount).toBe(1000)
  expect(reply.error.details.issues).toHaveLength(20)
})

test('an AppError crosses with code, message, details and whether to retry', async () => {
  const { service } = contractDouble({
    handlers: {
      'site.close': () => Promise.reject(new AppError('store.disk-full', 'No space', { retryable: true, details: { freeBytes: 0 } })),
    },
  })
  expect(await service.call('site.close', {}, caller)).toEqual({
    ok: false,
    error: { code: 'store.disk-full', message: 'No space', retryable: true, details: { freeBytes: 0 } },
  })
})

test('a cancellation crosses as cancelled', async () => {
  const { service } = contractDouble({
    handlers: { 'site.close': () => Promise.reject(new DOMException('stop', 'AbortError')) },
  })
  expect(await service.call('site.close', {}, caller)).toMatchObject({ ok: false, error: { code: 'cancelled' } })
})

test('a defect tells the caller nothing of its inside, and the log everything', async () => {
  const { logger, lines } = recordingLogger()
  const defect = new TypeError('key 0xCAFE of /home/me is undefined')
  const { service } = contractDouble({
    logger,
    handlers: {
      'site.close': () => {
        throw defect
      },
    },
  })
  const reply = await service.call('site.close', {}, caller)
  expect(reply).toMatchObject({ ok: false, error: { code: 'internal' } })
  expect(JSON.stringify(reply)).not.toContain('CAFE')
  expect(lines).toContainEqual(expect.objectContaining({ op: 'site.close', err: defect }))
})

test('the log has op, actor, duration and result, never what was given or answered', async () => {
  const { logger, lines } = recordingLogger()
  const { service } = contractDouble({
    logger,
    handlers: { 'site.open': () => undefined, 'handover.report': () => ({ html: 'answer-4711' }) },
  })
  await service.call('site.open', { handle: 'secret-0815' }, caller)
  await service.call('handover.report', {}, caller)
  await service.call('secret-op-name', {}, caller)
  expect(lines).toEqual([
    { op: 'site.open', actor: 'test', durationMs: 0, result: 'ok', message: 'op' },
    { op: 'handover.report', actor: 'test', durationMs: 0, result: 'ok', message: 'op' },
    { op: 'unknown', actor: 'test', durationMs: 0, result: 'input.unknown-op', message: 'op' },
  ])
})

test('with checked outputs a wrong answer is a defect, without them it passes', async () => {
  const handlers = { 'handover.report': () => ({ html: 5 }) as never }
  expect(await contractDouble({ handlers, checkOutputs: true }).service.call('handover.report', {}, caller)).toMatchObject({ ok: false })
  expect(await contractDouble({ handlers, checkOutputs: false }).service.call('handover.report', {}, caller)).toMatchObject({ ok: true })
})

test('after close every call is cancelled and no feed opens', async () => {
  const { service } = contractDouble({ handlers: { 'site.close': () => undefined } })
  service.close()
  expect(await service.call('site.close', {}, caller)).toMatchObject({ ok: false, error: { code: 'cancelled' } })
  expect(service.subscribe('session', () => undefined)).toBeUndefined()
})

test('property: whatever it is called with, it replies and never throws', async () => {
  const { service } = contractDouble()
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.constantFrom(...opNames), fc.anything()),
      fc.anything({ withNullPrototype: true }),
      async (name, input) => {
        const reply = await service.call(name, input, caller)
        expect(typeof reply.ok).toBe('boolean')
      },
    ),
  )
})
