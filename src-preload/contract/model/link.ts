// Dongles of the site: what each one is doing, the network it is in, and the ports of this computer. No key ever stands here.
import { z } from 'zod'
import { failure, shortText, timeMs } from './states.ts'

export const linkFirmware = z.enum(['spinel-ncp', 'spinel-rcp', 'openthread-cli', 'slip-router', 'slip-radio', 'none'])
export type LinkFirmware = z.infer<typeof linkFirmware>

/** A dongle's life: found, opened, asked who it is, started, part of a mesh. */
export const linkState = z.enum(['absent', 'opening', 'probing', 'refused', 'starting', 'attaching', 'up', 'retrying', 'closed'])
export type LinkState = z.infer<typeof linkState>

export const linkRole = z.enum(['disabled', 'detached', 'child', 'router', 'leader'])
export type LinkRole = z.infer<typeof linkRole>

export const linkTaskKind = z.enum(['form', 'attach', 'join', 'leave', 'scan'])
export type LinkTaskKind = z.infer<typeof linkTaskKind>

/** The two ways to the permission on Linux, as lines to type. */
export const permissionRemedy = z.object({
  group: z.string().nullable(),
  installRule: z.array(z.string()),
  joinGroup: z.string().nullable(),
})
export type PermissionRemedyRow = z.infer<typeof permissionRemedy>

export const portVerdict = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('usable'), firmware: linkFirmware }),
  z.object({ kind: z.literal('busy'), by: z.object({ pid: z.number().int(), program: z.string() }).nullable() }),
  z.object({ kind: z.literal('no-permission'), remedy: permissionRemedy }),
  z.object({ kind: z.literal('wrong-firmware'), found: z.union([linkFirmware, z.literal('bootloader')]) }),
  z.object({ kind: z.literal('unknown') }),
])
export type PortVerdictRow = z.infer<typeof portVerdict>

/** A serial port of this computer, the likeliest dongle first. */
export const linkPort = z.object({
  path: z.string(),
  /** The same when the port's number changes. */
  key: z.string(),
  name: z.string(),
  usb: z.object({ id: z.string(), manufacturer: z.string().nullable(), serialNumber: z.string().nullable() }).nullable(),
  hint: z.enum(['bootloader', 'first-of-two', 'other-firmware']).nullable(),
  verdict: portVerdict,
  /** The dongle of the open site that uses it. */
  usedBy: z.string().nullable(),
})
export type LinkPort = z.infer<typeof linkPort>

export const linkPortList = z.object({
  ports: z.array(linkPort),
  /** Why there are none, where the system tells. */
  reason: z.enum(['no-devices', 'not-listed']).nullable(),
})
export type LinkPortList = z.infer<typeof linkPortList>

/** What answered on a port. */
export const linkProbe = z.object({
  path: z.string(),
  firmware: linkFirmware,
  usable: z.boolean(),
  eui64: z.string().nullable(),
  baudRate: z.number().int().nullable(),
  /** The beginning of what was heard where nothing known answered. */
  heard: z.string().nullable(),
  /** What to do about a firmware that is of no use. */
  refusal: failure.nullable(),
})
export type LinkProbe = z.infer<typeof linkProbe>

const hex = (digits: number): z.ZodString => z.string().regex(new RegExp(`^[0-9a-fA-F]{${digits}}$`))
export const channelNumber = z.number().int().min(11).max(26)

/** A network as a person describes it; what is left out is drawn at random where a network is formed. */
export const networkDescription = z.object({
  networkName: z.string().trim().min(1).max(16).optional(),
  channel: channelNumber.optional(),
  panId: z.number().int().min(0).max(0xfffe).optional(),
  extendedPanId: hex(16).optional(),
  /** Goes to the dongle alone; nothing gives it back. */
  networkKey: hex(32).optional(),
  meshLocalPrefix: z.string().max(50).optional(),
})
export type NetworkDescriptionInput = z.infer<typeof networkDescription>

export const foundNetwork = z.object({
  networkName: z.string().nullable(),
  extendedPanId: z.string().nullable(),
  panId: z.number().int(),
  channel: z.number().int(),
  rssiDbm: z.number().int(),
  joinable: z.boolean(),
  /** How many of its routers were heard. */
  heard: z.number().int(),
})
export type FoundNetworkRow = z.infer<typeof foundNetwork>

export const channelNoise = z.object({ channel: z.number().int(), maxRssiDbm: z.number().int() })
export type ChannelNoiseRow = z.infer<typeof channelNoise>

export const linkAddress = z.object({
  address: z.string(),
  prefixLength: z.number().int(),
  origin: z.enum(['link-local', 'mesh-local', 'on-mesh', 'assigned']),
})

/** Who the dongle hears. */
export const linkNeighbour = z.object({
  kind: z.enum(['parent', 'child', 'neighbour', 'router']),
  eui64: z.string(),
  rloc16: z.number().int(),
  /** The mean of late; null for routers further away. */
  rssiDbm: z.number().int().nullable(),
  lqi: z.number().int().nullable(),
  ageS: z.number().int().nullable(),
})
export type LinkNeighbour = z.infer<typeof linkNeighbour>

export const linkNetwork = z.object({
  role: linkRole,
  networkName: z.string().nullable(),
  channel: z.number().int().nullable(),
  panId: z.number().int().nullable(),
  extendedPanId: z.string().nullable(),
  partitionId: z.number().int().nullable(),
  rloc16: z.number().int().nullable(),
  meshLocalPrefix: z.string().nullable(),
  txPowerDbm: z.number().int().nullable(),
  /** Whether the dongle keeps a network over a restart. */
  saved: z.boolean(),
})
export type LinkNetworkRow = z.infer<typeof linkNetwork>

export const linkCounters = z.object({
  bytesIn: z.number().int(),
  bytesOut: z.number().int(),
  packetsIn: z.number().int(),
  packetsOut: z.number().int(),
  packetsFailed: z.number().int(),
  queuedPackets: z.number().int(),
  framesIn: z.number().int(),
  framesOut: z.number().int(),
  damagedFrames: z.number().int(),
  retries: z.number().int(),
  losses: z.number().int(),
  sessions: z.number().int(),
  /** From a question to the dongle's own answer. */
  roundTripMs: z.number().nullable(),
})
export type LinkCountersRow = z.infer<typeof linkCounters>

/** One dongle of the open site. */
export const linkRow = z.object({
  id: z.string(),
  name: shortText,
  path: z.string(),
  /** Of a port that is found again under another path. */
  key: z.string().nullable(),
  /** Part of the simulation: cannot be removed. */
  simulated: z.boolean(),
  state: linkState,
  since: timeMs,
  /** Why it is refused or tried again. */
  failure: failure.nullable(),
  remedy: permissionRemedy.nullable(),
  /** When it is tried again. */
  retryAt: timeMs.nullable(),
  firmware: linkFirmware.nullable(),
  /** As the firmware calls itself. */
  version: z.string().nullable(),
  eui64: z.string().nullable(),
  /** What the firmware lets a host do; both false until that is known. */
  carries: z.object({ multicast: z.boolean(), linkLocal: z.boolean() }),
  network: linkNetwork.nullable(),
  addresses: z.array(linkAddress),
  groups: z.array(z.string()),
  /** Groups that the dongle has no room for. */
  groupsWithoutRoom: z.array(z.string()),
  neighbours: z.array(linkNeighbour),
  counters: linkCounters,
  /** What is being done with the network at somebody's wish. */
  task: z.object({ kind: linkTaskKind, phase: z.string().nullable(), startedAt: timeMs }).nullable(),
})
export type LinkRow = z.infer<typeof linkRow>
