// Serves the contract to whichever host runs: checks names and inputs, runs handlers, turns every failure into a reply.
import { AppError, toAppError } from '#main/base/index.ts'
import type { Clock, Logger } from '#main/base/index.ts'
import { opNames, ops } from '#contract/ops.ts'
import type { OpName, OpOutput, OpParsed, Reply } from '#contract/ops.ts'
import type { z } from 'zod'
import { createFeedHubs } from './feed-hub.ts'
import type { Caller, ContractService, FeedSources, Handlers } from './types.ts'

export interface ContractServiceOptions {
  readonly handlers: Handlers
  readonly feeds: FeedSources
  readonly clock: Clock
  readonly logger: Logger
  /** Checks what handlers and feeds give as well; for tests and development, since it costs time. */
  readonly checkOutputs?: boolean
  /** Runs each handler within something: what it edits before it returns belongs together. */
  readonly around?: Around
}

export type Around = <Result>(name: OpName, caller: Caller, work: () => Result) => Result

/** Issues beyond this many are counted, not listed. */
const MAX_LISTED_ISSUES = 20

type Schemas = { readonly [Name in OpName]: { readonly in: z.ZodType<OpParsed<Name>>; readonly out: z.ZodType<OpOutput<Name>> } }
type Runner = (input: unknown, caller: Caller) => Promise<OpOutput<OpName>>

export function createContractService(options: ContractServiceOptions): ContractService {
  const { clock, logger } = options
  const runners = new Map<unknown, Runner>(
    opNames.map((name) => [name, runnerFor(name, ops, options.handlers, options.checkOutputs ?? false, options.around)]),
  )
  const hubs = createFeedHubs({ feeds: options.feeds, clock, logger, checkRows: options.checkOutputs ?? false })
  let closed = false

  return {
    async call(name, input, caller) {
      const startedMs = clock.monotonicMs()
      const runner = runners.get(name)
      // A name that is none may be anything, a secret in the wrong place included: it is not logged.
      const op = runner === undefined ? 'unknown' : String(name)
      let reply: Reply
      try {
        if (closed) throw new AppError('cancelled', 'The core is closing')
        if (runner === undefined) throw new AppError('input.unknown-op', 'There is no such operation')
        reply = { ok: true, value: await runner(input, caller) }
      } catch (thrown) {
        reply = replyOf(thrown, op, logger)
      }
      const durationMs = Math.round(clock.monotonicMs() - startedMs)
      logger.info({ op, actor: caller.actor, durationMs, result: reply.ok ? 'ok' : reply.error.code }, 'op')
      return reply
    },
    subscribe: (feed, listener) => (closed ? undefined : hubs.subscribe(feed, listener)),
    close() {
      closed = true
      hubs.close()
    },
  }
}

function runnerFor<Name extends OpName>(
  name: Name,
  schemas: Pick<Schemas, Name>,
  handlers: Pick<Handlers, Name>,
  checkOutputs: boolean,
  around: Around = (_name, _caller, work) => work(),
): Runner {
  const schema: Schemas[Name] = schemas[name]
  const handler: Handlers[Name] = handlers[name]
  return async (input, caller) => {
    const parsed = schema.in.safeParse(input)
    if (!parsed.success) throw inputInvalid(parsed.error)
    const value = await around(name, caller, () => handler(parsed.data, caller))
    if (checkOutputs) {
      const checked = schema.out.safeParse(value)
      if (!checked.success) throw new AppError('internal', `${name} gave ${describe(checked.error.issues)}`)
    }
    return value
  }
}

/** Says where and what kind of mistake; never repeats the value, which may be a secret. */
function inputInvalid(error: z.ZodError): AppError {
  const issues = error.issues
    .slice(0, MAX_LISTED_ISSUES)
    .map((issue) => ({ path: pathText(issue.path), code: issue.code, message: issue.message }))
  return new AppError('input.invalid', `The input is not valid: ${describe(error.issues)}`, {
    details: { issues, issueCount: error.issues.length },
  })
}

function describe(issues: readonly z.core.$ZodIssue[]): string {
  const first = issues[0]
  if (first === undefined) return 'no issue'
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : ''
  return `${pathText(first.path) || 'value'}: ${first.message}${more}`
}

function pathText(path: readonly PropertyKey[]): string {
  return path.map(String).join('.')
}

function replyOf(thrown: unknown, op: string, logger: Logger): Reply {
  const failure = toAppError(thrown)
  if (failure.code === 'internal') {
    // A defect of this program: the whole story goes to the log, and none of its inner text to the caller.
    logger.error({ op, err: failure.cause ?? failure }, 'op failed unexpectedly')
    return {
      ok: false,
      error: { code: 'internal', message: 'An unexpected failure; the log has its details', retryable: false, details: { op } },
    }
  }
  return { ok: false, error: { code: failure.code, message: failure.message, retryable: failure.retryable, details: failure.details } }
}
