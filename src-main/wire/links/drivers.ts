// Which driver speaks to what the probe has found.
import { AppError } from '#main/base/index.ts'
import type { DriverContext } from './life-types.ts'
import { SlipRouterLink } from './slip-link.ts'
import { NcpLink } from './spinel/ncp-link.ts'

export type DongleDriver = NcpLink | SlipRouterLink

export interface DriverChoices {
  /** The /64 that a SLIP border router is given. */
  readonly slipPrefix?: string
  /** Least time between two frames to a SLIP border router. */
  readonly slipSpacingMs?: number
}

/** For `DongleOptions.createDriver`. `instanceof` tells its two results apart. */
export function driverFor(choices: DriverChoices = {}): (context: DriverContext) => DongleDriver {
  return (context) => {
    const { line, id, clock, logger, report } = context
    switch (report.firmware) {
      case 'spinel-ncp':
        return new NcpLink({ line, id, clock, logger })
      case 'slip-router': {
        const prefix = choices.slipPrefix === undefined ? {} : { prefix: choices.slipPrefix }
        const spacing = choices.slipSpacingMs === undefined ? {} : { spacingMs: choices.slipSpacingMs }
        const speed = report.settings === undefined ? {} : { baudRate: report.settings.baudRate }
        return new SlipRouterLink({ line, id, clock, logger, ...prefix, ...spacing, ...speed })
      }
      case 'spinel-rcp':
      case 'openthread-cli':
      case 'slip-radio':
      case 'none':
        throw new AppError('link.wrong-firmware', `Nothing here drives ${report.firmware}`, { details: { reason: report.firmware } })
    }
  }
}
