// Devices of the KNX IoT Point API: found, opened by the password of their label, configured.
import { z } from 'zod'
import { knxConfiguration, knxDeviceDetail, knxFoundRow, knxSerialNumber } from '../model.ts'
import { done } from './common.ts'

/** `unsecured`: without OSCORE, which only test builds of a device's stack allow. */
const device = { serialNumber: knxSerialNumber, unsecured: z.boolean().default(false) }

export const knxOps = {
  /** Takes some seconds. */
  'knx.search': {
    in: z.object({ serialNumber: knxSerialNumber.optional(), programmingMode: z.boolean().default(false) }),
    out: z.array(knxFoundRow),
  },
  /** Proves the label's password and keeps keys of the site's own in its place. */
  'knx.open': { in: z.object({ serialNumber: knxSerialNumber, password: z.string().trim().min(1).max(100) }), out: done },
  'knx.show': { in: z.object(device), out: knxDeviceDetail },
  /** Writes what differs and reads it back. */
  'knx.configure': {
    in: z.object({ ...device, configuration: knxConfiguration }),
    out: z.object({ outcome: z.enum(['unchanged', 'written']) }),
  },
  /** A group message that writes a value. */
  'knx.send': {
    in: z.object({
      groupAddress: z.string().trim().min(1).max(20),
      value: z.union([z.boolean(), z.number(), z.string().max(100)]),
      unsecured: z.boolean().default(false),
    }),
    out: done,
  },
  /** `seconds` until the device is back. A factory reset takes the site's keys too. */
  'knx.reset': {
    in: z.object({ ...device, kind: z.enum(['factory', 'tables', 'address']) }),
    out: z.object({ seconds: z.number() }),
  },
} as const
