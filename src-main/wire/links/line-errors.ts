// What the system says when a port cannot be opened or goes away, as typed failures. Texts are those of serialport's bindings.
import { AppError } from '#main/base/index.ts'
import type { FailureCode } from '#contract/failures.ts'

export type Platform = 'linux' | 'darwin' | 'win32' | 'other'

export function thisPlatform(): Platform {
  const { platform } = process
  return platform === 'linux' || platform === 'darwin' || platform === 'win32' ? platform : 'other'
}

const rules: ReadonlyArray<readonly [RegExp, FailureCode]> = [
  [/cannot lock port|port is locked|resource busy|temporarily unavailable|device or resource busy|EBUSY|EAGAIN/i, 'link.port-busy'],
  [/no such file|file not found|does not exist|no such device|ENOENT|ENODEV|ENXIO/i, 'link.port-missing'],
  [/permission denied|EACCES|EPERM|not permitted/i, 'link.no-permission'],
  [/inappropriate ioctl|not a typewriter|ENOTTY|input\/output error|EIO|is a directory|unknown error code 6\b/i, 'link.not-a-port'],
]

/** Why the port could not be opened. Windows says "Access denied" for a port that another program holds. */
export function openFailure(thrown: unknown, path: string, platform: Platform): AppError {
  if (thrown instanceof AppError) return thrown
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  const details = { path }
  if (/access (is )?denied/i.test(text)) {
    const code = platform === 'win32' ? 'link.port-busy' : 'link.no-permission'
    return new AppError(code, text, { retryable: true, details, cause: thrown })
  }
  const code = rules.find(([pattern]) => pattern.test(text))?.[1] ?? 'link.open-failed'
  return new AppError(code, text, { retryable: code !== 'link.not-a-port', details, cause: thrown })
}

/** A line that ended without being asked to: unplugged, or its far end is gone. */
export function lineLost(thrown: unknown, path: string): AppError {
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  return new AppError('link.closed', `The line to ${path} ended: ${text}`, { retryable: true, details: { path }, cause: thrown })
}
