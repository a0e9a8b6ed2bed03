// What evicting members means, told before it is done: who loses what, who gets new keys, and how long the air is busy with it.
// draft-ietf-core-groupcomm-bis §5.2; key-groupcomm-oscore-21 §11.1 (point-to-point rekeying).
import type { EvictionEffect } from '#contract/model.ts'

/** A rekeying message and its answer: MAC and 6LoWPAN headers, CoAP, OSCORE, the Group_OSCORE_Input_Material and stale Sender IDs, in fragments. */
const REKEYING_BYTES = 420
/** 250 kbit/s (IEEE 802.15.4 at 2.4 GHz), with back-off, acknowledgements and pauses about half of it. */
const BYTES_PER_MS = 15.6
/** Hops that a message takes in a building's mesh, on average. */
const HOPS = 2.5

export interface EvictionSubject {
  readonly securityGroupName: string
  readonly losers: EvictionEffect['losers']
  readonly applicationGroups: readonly string[]
  readonly remaining: ReadonlyArray<{ readonly reachable: boolean }>
}

export function evictionEffectOf({ securityGroupName, losers, applicationGroups, remaining }: EvictionSubject): EvictionEffect {
  const unreachable = remaining.filter(({ reachable }) => !reachable).length
  const messages = remaining.length - unreachable
  return {
    securityGroupName,
    losers,
    applicationGroups: [...applicationGroups],
    remaining: remaining.length,
    unreachable,
    messages,
    airTimeMs: Math.round((messages * REKEYING_BYTES * HOPS) / BYTES_PER_MS),
  }
}
