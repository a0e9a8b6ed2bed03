// Devices of the KNX IoT Point API.
import { z } from 'zod'

export const knxSerialNumber = z
  .string()
  .trim()
  .toLowerCase()
  .regex(/^[0-9a-f]{12}$/, 'twelve hex digits')

export const knxFoundRow = z.object({
  serialNumber: z.string(),
  /** `1.1.1`, or null until it was given one. */
  individualAddress: z.string().nullable(),
  /** Ten hex digits, or null where it belongs to none. */
  installation: z.string().nullable(),
  address: z.string(),
  port: z.number().int(),
  channel: z.string(),
  /** Whether the site has the keys to configure it. */
  opened: z.boolean(),
})
export type KnxFoundRow = z.infer<typeof knxFoundRow>

export const knxFlag = z.enum(['communicate', 'read', 'write', 'initialise', 'transmit', 'update'])

/** `1/0/17`, `1/17` or a number. */
const groupAddress = z.string().trim().min(1).max(20)

/** A datapoint's part in a group. */
const knxBinding = z.strictObject({
  /** Path of the datapoint, e.g. `/p/o_1_1`. */
  href: z
    .string()
    .trim()
    .regex(/^\/\S{1,29}$/),
  flags: z.array(knxFlag).min(1).max(6),
})
export const knxBindings = z.array(knxBinding).max(20)

/** What all KNX devices of the site share. */
export const knxSettings = z.object({
  /** Ten hex digits, the first of them not 0: the 40 bits in every group's multicast address. */
  installation: z
    .string()
    .trim()
    .toLowerCase()
    .regex(/^[1-9a-f][0-9a-f]{9}$/, 'ten hex digits, the first of them not 0'),
  fabricId: z.number().int().min(1).nullable(),
  /** Devices without OSCORE, which only test builds are. */
  unsecured: z.boolean(),
})
export type KnxSettings = z.infer<typeof knxSettings>

/** What the project knows of a KNX device; nothing is asked of the device. */
export const knxProjectDevice = z.object({
  serialNumber: z.string(),
  /** `1.1.1`: what it said when it was heard last, and what the project gives to it. Null: none yet. */
  heardAddress: z.string().nullable(),
  individualAddress: z.string().nullable(),
  /** Whether the site has keys for it, or needs none. */
  opened: z.boolean(),
  unsecured: z.boolean(),
  groups: z.array(
    z.object({
      groupId: z.string(),
      name: z.string(),
      /** `0/0/1`; null where the group's address is none of KNX. */
      groupAddress: z.string().nullable(),
      /** Null: the device's first free function is taken. */
      objects: knxBindings.nullable(),
    }),
  ),
})
export type KnxProjectDevice = z.infer<typeof knxProjectDevice>

export const knxConfiguration = z.strictObject({
  /** `1.1.1` */
  individualAddress: z.string().trim().min(5).max(9),
  objects: z
    .array(
      z.strictObject({
        /** Path of the datapoint, e.g. `/p/o_1_1`. */
        href: z
          .string()
          .trim()
          .regex(/^\/\S{1,29}$/),
        /** The first is the one it sends to. */
        groupAddresses: z.array(groupAddress).min(1).max(16),
        flags: z.array(knxFlag).min(1),
      }),
    )
    .min(1)
    .max(20),
})
export type KnxConfigurationInput = z.infer<typeof knxConfiguration>

export const knxDeviceDetail = z.object({
  serialNumber: z.string(),
  model: z.string(),
  hardwareType: z.string(),
  hardwareVersion: z.string(),
  firmwareVersion: z.string(),
  individualAddress: z.string().nullable(),
  installation: z.string(),
  loadState: z.string(),
  datapoints: z.array(z.object({ href: z.string(), resourceTypes: z.array(z.string()), interfaces: z.array(z.string()) })),
  objects: z.array(z.object({ href: z.string(), groupAddresses: z.array(z.string()), flags: z.array(knxFlag) })),
  /** Group addresses that it sends to, and that it listens to. */
  sendsTo: z.array(z.string()),
  listensTo: z.array(z.string()),
})
export type KnxDeviceDetail = z.infer<typeof knxDeviceDetail>
