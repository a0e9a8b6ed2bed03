// Everything that the window and the command line can ask for. A new op without a handler does not compile.
import { type z } from 'zod'
import { accessOps } from './ops/access.ts'
import { admissionOps } from './ops/admission.ts'
import { deviceOps } from './ops/devices.ts'
import { directoryOps } from './ops/directory.ts'
import { fleetOps } from './ops/fleet.ts'
import { groupOps } from './ops/groups.ts'
import { handoverOps } from './ops/handover.ts'
import { historyOps } from './ops/history.ts'
import { maintenanceOps } from './ops/maintenance.ts'
import { jobOps } from './ops/jobs.ts'
import { joiningOps } from './ops/joining.ts'
import { knxOps } from './ops/knx.ts'
import { linkOps } from './ops/link.ts'
import { profileOps } from './ops/profiles.ts'
import { raOps } from './ops/ra.ts'
import { rulesOps } from './ops/rules.ts'
import { securityOps } from './ops/security.ts'
import { siteOps } from './ops/site.ts'
import { surveyOps } from './ops/survey.ts'
import { templateOps } from './ops/templates.ts'
import { traceOps } from './ops/trace.ts'
import { walkOps } from './ops/walk.ts'

export const ops = {
  ...siteOps,
  ...accessOps,
  ...deviceOps,
  ...groupOps,
  ...securityOps,
  ...rulesOps,
  ...raOps,
  ...admissionOps,
  ...joiningOps,
  ...jobOps,
  ...historyOps,
  ...maintenanceOps,
  ...handoverOps,
  ...fleetOps,
  ...directoryOps,
  ...linkOps,
  ...knxOps,
  ...profileOps,
  ...surveyOps,
  ...templateOps,
  ...walkOps,
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
