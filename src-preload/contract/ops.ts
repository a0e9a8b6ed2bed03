// Everything that the window and the command line can ask for. A new op without a handler does not compile.
import { type z } from 'zod'
import { admissionOps } from './ops/admission.ts'
import { deviceOps } from './ops/devices.ts'
import { directoryOps } from './ops/directory.ts'
import { groupOps } from './ops/groups.ts'
import { handoverOps } from './ops/handover.ts'
import { jobOps } from './ops/jobs.ts'
import { knxOps } from './ops/knx.ts'
import { linkOps } from './ops/link.ts'
import { raOps } from './ops/ra.ts'
import { securityOps } from './ops/security.ts'
import { siteOps } from './ops/site.ts'
import { traceOps } from './ops/trace.ts'

export const ops = {
  ...siteOps,
  ...deviceOps,
  ...groupOps,
  ...securityOps,
  ...raOps,
  ...admissionOps,
  ...jobOps,
  ...handoverOps,
  ...directoryOps,
  ...linkOps,
  ...knxOps,
  ...traceOps,
} as const

export type OpName = keyof typeof ops
/** What a caller gives: defaults may be left out. */
export type OpInput<Name extends OpName> = z.input<(typeof ops)[Name]['in']>
/** What a handler gets: checked, with defaults. */
export type OpParsed<Name extends OpName> = z.output<(typeof ops)[Name]['in']>
export type OpOutput<Name extends OpName> = z.output<(typeof ops)[Name]['out']>
export const opNames = Object.keys(ops) as readonly OpName[]

/** Nothing is thrown across the contract. */
export type Reply<Name extends OpName = OpName> =
  | { readonly ok: true; readonly value: OpOutput<Name> }
  | {
      readonly ok: false
      readonly error: {
        readonly code: string
        readonly message: string
        readonly retryable: boolean
        readonly details: Readonly<Record<string, unknown>>
      }
    }
