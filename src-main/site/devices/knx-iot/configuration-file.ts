// A device's configuration as a person writes it.
import { parse } from 'yaml'
import { AppError } from '#main/base/index.ts'

/** YAML or JSON, as data; what it must hold is checked where it is taken. Throws `input.invalid` with the reader's words. */
export function readKnxConfiguration(text: string): unknown {
  try {
    const value: unknown = parse(text, { maxAliasCount: 0 })
    return value
  } catch (cause) {
    throw new AppError('input.invalid', cause instanceof Error ? cause.message : 'This is no YAML', { cause })
  }
}
