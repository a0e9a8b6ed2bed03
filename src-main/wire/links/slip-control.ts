// Control frames between tunslip6 and Contiki-NG's border router: `?P` asks for the prefix, `!P` gives it, `?M` asks for the EUI-64, `!M` tells it.
import { concatBytes, parseEui64, utf8, type Eui64 } from '#main/base/index.ts'
import { encodeSlipFrame, type SlipItem } from './slip.ts'

/** `?M`. Its leading END closes whatever stood on the line before as a frame of its own, which a router discards. */
export const ASK_MAC: Uint8Array = encodeSlipFrame(utf8('?M'))

/** `!P` with the first eight bytes of the prefix. */
export function encodePrefixReply(prefix: Uint8Array): Uint8Array {
  return encodeSlipFrame(concatBytes(utf8('!P'), prefix.subarray(0, 8)))
}

export type RouterMessage =
  | { readonly kind: 'prefix-wanted' }
  | { readonly kind: 'mac'; readonly eui64: Eui64 }
  /** Eight raw bytes after `!M`: a slip-radio, whose host would have to bring 6LoWPAN and RPL itself. */
  | { readonly kind: 'slip-radio' }

/** What a frame from the dongle says, where it is control that matters; log texts of a slip-radio included. */
export function readRouterMessage(item: SlipItem): RouterMessage | undefined {
  if (item.kind === 'text') return item.line === 'EUnknown command' ? { kind: 'slip-radio' } : undefined
  if (item.kind !== 'control') return undefined
  if (item.mark === '?' && item.type === 'P' && item.data.length === 0) return { kind: 'prefix-wanted' }
  if (item.mark !== '!' || item.type !== 'M') return undefined
  if (item.data.length === 8) return { kind: 'slip-radio' }
  const eui64 = item.data.length === 16 ? parseEui64(String.fromCharCode(...item.data)) : undefined
  return eui64 === undefined ? undefined : { kind: 'mac', eui64 }
}
