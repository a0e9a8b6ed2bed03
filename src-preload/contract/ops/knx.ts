// Devices of the KNX IoT Point API: found, opened by the password of their label, configured.
import { z } from 'zod'
import { knxBindings, knxConfiguration, knxDeviceDetail, knxFoundRow, knxProjectDevice, knxSerialNumber, knxSettings } from '../model.ts'
import { done, id, nothing } from './common.ts'

/** `unsecured`: without OSCORE, which only test builds of a device's stack allow. */
const device = { serialNumber: knxSerialNumber, unsecured: z.boolean().default(false) }

const groupAddress = z.string().trim().min(1).max(20)

export const knxOps = {
  'knx.settings': { in: nothing, out: knxSettings },
  'knx.changeSettings': { in: knxSettings.partial(), out: done },
  /** A device of the inventory, by its id. */
  'knx.device': { in: z.object({ id }), out: knxProjectDevice },
  /** The individual address that the device gets with its next change. */
  'knx.setAddress': { in: z.object({ serialNumber: knxSerialNumber, individualAddress: z.string().trim().min(5).max(9) }), out: done },
  /** Which datapoints of a device take part in a group; none: its first free function. Written when the group is applied next. */
  'knx.bind': { in: z.object({ serialNumber: knxSerialNumber, groupAddress, objects: knxBindings }), out: done },
  /** Moves a group to the multicast address of a group address, without one to the next that is free. */
  'knx.setGroupAddress': {
    in: z.object({ groupId: id, groupAddress: groupAddress.optional() }),
    out: z.object({ groupAddress: z.string(), address: z.string() }),
  },
  /** Takes some seconds. */
  'knx.search': {
    in: z.object({ serialNumber: knxSerialNumber.optional(), programmingMode: z.boolean().default(false) }),
    out: z.array(knxFoundRow),
  },
  /** Proves the label's password and keeps keys of the site's own in its place. Without one, that of a label that was scanned. */
  'knx.open': { in: z.object({ serialNumber: knxSerialNumber, password: z.string().trim().min(1).max(100).optional() }), out: done },
  'knx.show': { in: z.object(device), out: knxDeviceDetail },
  /** Writes what differs and reads it back. */
  'knx.configure': {
    in: z.object({ ...device, configuration: knxConfiguration }),
    out: z.object({ outcome: z.enum(['unchanged', 'written']) }),
  },
  /** A group message that writes a value. */
  'knx.send': {
    in: z.object({
      groupAddress,
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
