// The failures that the job service tells, and how a thrown one is written down.
import { AppError } from '#main/base/index.ts'
import type { Failure } from '#contract/model.ts'

export function toFailure({ code, message, retryable, details }: AppError): Failure {
  return { code, message, retryable, details: { ...details } }
}

export function notFound(id: string): AppError {
  return new AppError('job.not-found', 'There is no such job', { details: { id } })
}

export function closed(): AppError {
  return new AppError('cancelled', 'The site is being closed')
}
