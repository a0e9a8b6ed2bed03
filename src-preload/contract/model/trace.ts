// What has passed: CoAP messages, the IPv6 packets that carried them, the serial frames that carried those.
import { z } from 'zod'
import { timeMs } from './states.ts'

export const traceKind = z.enum(['message', 'packet', 'frame'])
export type TraceKind = z.infer<typeof traceKind>

export const traceEntryRow = z.object({
  /** Counts up from 1 in each opened site. */
  seq: z.number().int(),
  at: timeMs,
  kind: traceKind,
  channel: z.string(),
  direction: z.enum(['sent', 'received']),
  /** The other end; null for frames that carry no packet. */
  peer: z.string().nullable(),
  bytes: z.number().int(),
  /** In protocol terms: `CON GET /dev`, `UDP 5683 > 5683`, `set NET_ROLE`. */
  label: z.string(),
  note: z.enum(['again', 'malformed', 'redacted', 'multicast']).nullable(),
  /** Entries of one datagram have the same. */
  datagram: z.string().nullable(),
  /** Messages of one exchange have the same. */
  exchange: z.string().nullable(),
})
export type TraceEntryRow = z.infer<typeof traceEntryRow>

export const traceLayer = z.object({
  name: z.string(),
  fields: z.array(z.object({ name: z.string(), value: z.string() })),
})
export type TraceLayer = z.infer<typeof traceLayer>

export const traceDetail = z.object({
  row: traceEntryRow,
  layers: z.array(traceLayer),
  /** The bytes; secrets in a frame are zeros. */
  hex: z.string(),
  /** The same datagram on its other layers, and the other messages of the exchange. */
  related: z.array(traceEntryRow),
})
export type TraceDetail = z.infer<typeof traceDetail>

/** The single row of the `trace` feed; entries are pulled in pages. */
export const traceRow = z.object({
  key: z.literal('trace'),
  recording: z.boolean(),
  /** The oldest that is kept, and the newest; both 0 where there is none. */
  firstSeq: z.number().int(),
  lastSeq: z.number().int(),
})
export type TraceRow = z.infer<typeof traceRow>
