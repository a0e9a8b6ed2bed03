// What every command gets.
import type { Output } from './output.ts'

/** Options as commander reads them: the global ones and each command's own. */
export interface CommonOptions {
  readonly site?: string
  readonly json: boolean
  readonly bind?: string
  readonly coapPort?: number
  readonly verbose: boolean
  readonly demo?: number
  readonly loss?: number
  readonly seed?: number
  readonly state?: string
  readonly dryRun?: boolean
  readonly seconds?: number
  readonly types?: readonly string[]
  readonly address?: string
  readonly port?: number
  readonly requests?: boolean
  readonly repeats?: number
  readonly format?: readonly string[]
  readonly out?: string
  readonly limit?: number
  readonly proxyFor?: readonly string[]
  readonly devices?: number
}

export interface CommandContext {
  readonly options: CommonOptions
  readonly output: Output
}
