// The code of what was thrown; anything but an AppError goes on.
import { AppError } from '#main/base/index.ts'

export function failureOf(work: () => unknown): string {
  try {
    work()
  } catch (thrown) {
    if (thrown instanceof AppError) return thrown.code
    throw thrown
  }
  return 'none'
}

export async function rejectionOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (thrown) {
    if (thrown instanceof AppError) return thrown.code
    throw thrown
  }
  return 'none'
}
