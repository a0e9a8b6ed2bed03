import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { AppError, createLogger, silentLogger, type Logger, type LogLevel } from '#main/base/index.ts'

function capture(level: LogLevel): { readonly logger: Logger; readonly lines: () => Array<Record<string, unknown>> } {
  const written: string[] = []
  const logger = createLogger({ level, destination: { write: (line) => void written.push(line) } })
  return { logger, lines: () => written.map((line) => JSON.parse(line) as Record<string, unknown>) }
}

test('writes one JSON line a call, with level, time, fields and message', () => {
  const { logger, lines } = capture('debug')
  logger.debug({ n: 1 }, 'one')
  logger.info({}, 'two')
  logger.warn({ at: 'x' }, 'three')
  logger.error({ failure: new AppError('coap.timeout', 'No answer') }, 'four')
  expect(lines().map(({ level, msg }) => [level, msg])).toEqual([
    ['debug', 'one'],
    ['info', 'two'],
    ['warn', 'three'],
    ['error', 'four'],
  ])
  expect(lines()[0]).toMatchObject({ n: 1, time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string })
  expect(lines()[3]).toMatchObject({ failure: { name: 'AppError', code: 'coap.timeout', message: 'No answer' } })
})

test('leaves out what is below its level', () => {
  const { logger, lines } = capture('warn')
  logger.debug({}, 'no')
  logger.info({}, 'no')
  logger.warn({}, 'yes')
  expect(lines()).toHaveLength(1)
})

test('redacts secrets at any depth, in children too', () => {
  const { logger, lines } = capture('info')
  const child = logger.child({ peer: 'fd00::1', psk: 'S3CRET' }).child({ session: { masterSecret: 'S3CRET' } })
  child.info({ request: { headers: { authorization: 'S3CRET' }, privateKey: Uint8Array.of(1, 2) } }, 'hello')
  expect(JSON.stringify(lines())).not.toMatch(/S3CRET|0102/)
  expect(lines()[0]).toMatchObject({ peer: 'fd00::1', msg: 'hello', request: { privateKey: '[redacted]' } })
})

test('a field cannot forge a second line', () => {
  const { logger, lines } = capture('info')
  logger.info({ text: 'x"}\n{"level":"error"' }, 'a\nb')
  expect(lines()).toHaveLength(1)
})

test('writes to standard error unless told: standard output belongs to results', () => {
  const face = new URL('../../src-main/base/index.ts', import.meta.url).href
  const script = `import { createLogger } from ${JSON.stringify(face)}; createLogger({ level: 'info' }).info({ n: 1 }, 'hello')`
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  expect(result.stdout).toBe('')
  expect(JSON.parse(result.stderr.trim().split('\n').at(-1) ?? '')).toMatchObject({ n: 1, msg: 'hello' })
})

test('the silent logger is silent, and so are its children', () => {
  expect(silentLogger.child({ n: 1 })).toBe(silentLogger)
  for (const level of ['debug', 'info', 'warn', 'error'] as const) silentLogger[level]({}, 'x')
})
