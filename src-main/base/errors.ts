// One error class for everything that may go wrong by somebody else's doing; its code selects the help text.
import type { FailureCode } from '#contract/failures.ts'

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue }

export interface AppErrorOptions {
  /** Whether the same call may succeed when tried again without a change. */
  readonly retryable?: boolean
  /** Facts for the help text and for support; never secrets. */
  readonly details?: Readonly<Record<string, JsonValue>>
  readonly cause?: unknown
}

/** A failure with a dotted code. `message` is plain English for logs; people read the help text of the code. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: FailureCode
  readonly retryable: boolean
  readonly details: Readonly<Record<string, JsonValue>>

  constructor(code: FailureCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryable = options.retryable ?? false
    this.details = options.details ?? {}
  }
}

/** The failure as an `AppError`: itself, a cancellation, or an `internal` one that wraps what was thrown. */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown
  if (isAbort(thrown)) return new AppError('cancelled', 'The operation was cancelled', { cause: thrown })
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  return new AppError('internal', text, { cause: thrown })
}

/** Whether the failure is a cancellation, which is never shown as an error. */
export function isAbort(thrown: unknown): boolean {
  if (thrown instanceof AppError) return thrown.code === 'cancelled'
  return thrown instanceof Error && thrown.name === 'AbortError'
}

/** An impossible state: a defect of this program. */
export function unreachable(value: never): never {
  throw new AppError('internal', `Unreachable value ${JSON.stringify(value)}`)
}
