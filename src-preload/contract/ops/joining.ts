// How the site takes part in joining: voucher servers, the join port, the join proxy.
import { z } from 'zod'
import { joinMakerPatch, joinProxySettings, makerLog, voucherRow } from '../model.ts'
import { done, nothing } from './common.ts'

const pledgeKey = z.string().regex(/^[0-9a-f]{64}$/)
const maker = z.string().regex(/^[0-9a-f]{64}$/)

export const joiningOps = {
  /** Whether no maker's server is asked: then vouchers come from files alone. */
  'joining.setOffline': { in: z.object({ offline: z.boolean() }), out: done },
  'joining.setMaker': { in: joinMakerPatch.extend({ id: maker }), out: done },
  'joining.setRegistrar': { in: z.object({ joinPort: z.boolean().optional(), advertised: z.boolean().optional() }), out: done },
  'joining.setProxy': { in: joinProxySettings.partial(), out: done },
  /** Looks for registrars and opens what could not be opened now, not at the next turn. */
  'joining.searchNow': { in: nothing, out: done },
  /** Asks for new vouchers in place of those that end soon. */
  'joining.renewVouchers': {
    in: nothing,
    out: z.object({
      renewed: z.number().int(),
      failed: z.array(z.object({ serialNumber: z.string(), code: z.string(), detail: z.string() })),
    }),
  },
  /** Gets a voucher ahead of the device, without which it may join while the server is out of reach. */
  'joining.fetchVoucher': { in: z.object({ maker, serialNumber: z.string().trim().min(1).max(128) }), out: voucherRow },
  /** What its maker has told of a device; null where it was not asked. */
  'joining.makerLog': { in: z.object({ key: pledgeKey }), out: z.object({ log: makerLog.nullable() }) },
} as const
