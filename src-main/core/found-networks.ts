// What a scan heard, as a person chooses from it: one line for each network, the strongest first. Pure.
import type { FoundNetwork } from '#main/wire/links/index.ts'
import type { FoundNetworkRow } from '#contract/model.ts'

export function groupNetworks(beacons: readonly FoundNetwork[]): FoundNetworkRow[] {
  const found = new Map<string, FoundNetworkRow>()
  for (const { channel, panId, rssiDbm, networkName, extendedPanId, joinable } of beacons) {
    const key = `${channel} ${panId} ${extendedPanId ?? ''}`
    const known = found.get(key)
    found.set(key, {
      networkName: networkName ?? known?.networkName ?? null,
      extendedPanId: extendedPanId ?? null,
      panId,
      channel,
      rssiDbm: Math.max(rssiDbm, known?.rssiDbm ?? rssiDbm),
      joinable: joinable || known?.joinable === true,
      heard: (known?.heard ?? 0) + 1,
    })
  }
  return [...found.values()].sort((a, b) => b.rssiDbm - a.rssiDbm || a.channel - b.channel)
}
