// The states of a dongle's life and what is told about it.
import type { AppError, Clock, Logger, Random } from '#main/base/index.ts'
import type { ProbeReport } from './connect.ts'
import type { LineFrame } from './frame-trace.ts'
import type { ByteTap } from './life-counters.ts'
import type { LineSettings, SerialBinding } from './line-serial.ts'
import type { PortSystem } from './port-system.ts'
import type { PortWatch } from './port-watch.ts'
import type { LinkDriver, SerialLine } from './types.ts'

export type DongleState =
  /** Not plugged in; looked for. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'opening'; readonly path: string }
  | { readonly kind: 'probing'; readonly path: string }
  /** Cannot be used as it is; looked at again when it was unplugged, or by `retry`. `error.details.reason` says what was found. */
  | { readonly kind: 'refused'; readonly path: string; readonly error: AppError; readonly report: ProbeReport | undefined }
  | { readonly kind: 'starting'; readonly path: string; readonly report: ProbeReport }
  /** Initialised, not (or no longer) part of a mesh. */
  | { readonly kind: 'attaching'; readonly path: string; readonly report: ProbeReport }
  | { readonly kind: 'up'; readonly path: string; readonly report: ProbeReport }
  /** Failed; tried again after `waitMs`. */
  | { readonly kind: 'retrying'; readonly error: AppError; readonly attempt: number; readonly waitMs: number }
  | { readonly kind: 'closed' }

/** Which dongle is meant. With a key it is found again under another path; a path typed by hand has none. */
export interface DongleTarget {
  readonly path: string
  /** `PortEntry.key`. */
  readonly key?: string
  readonly settings?: LineSettings
}

export interface DriverContext {
  readonly line: SerialLine
  readonly id: string
  readonly report: ProbeReport
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface DongleOptions<Driver extends LinkDriver> {
  /** Stable within the site; the zone of link-local addresses, e.g. `dongle:E2A0C5`. */
  readonly id: string
  readonly target: DongleTarget
  readonly clock: Clock
  readonly random: Random
  readonly logger?: Logger
  /** Makes the driver for what the probe has found. */
  readonly createDriver: (context: DriverContext) => Driver
  /** Where ports come and go; one for all dongles. */
  readonly watch: PortWatch
  readonly system?: PortSystem
  readonly binding?: SerialBinding
  /** Sees every byte. They hold keys in clear: whoever keeps them must know (redact Spinel's secret properties). */
  readonly tap?: ByteTap
  /** Sees every frame of each session once its firmware is known, secrets taken out: for the trace and for capture files. */
  readonly onFrame?: (frame: LineFrame) => void
}
