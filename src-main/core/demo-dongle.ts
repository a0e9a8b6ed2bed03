// The demo site's way to its devices: a simulated dongle, opened and driven as a real one.
import type { DongleSite } from '#main/simulator/index.ts'
import type { DongleSpec } from './dongle.ts'
import type { CoreOptions } from './types.ts'
import type { DemoOptions } from '#contract/model.ts'

/** Devices of demo sites are remembered by this name. */
export const DEMO_CHANNEL = 'demo'
/** A simulated dongle is up in less than half a second, a border router after two; a site is opened without it, too. */
export const DEMO_UP_MS = 5000
/** The laptop's address behind the simulated dongles. */
const LAPTOP_ADDRESS = 'fd00::1'
const NAME = 'Demo dongle'

/** The site's own port, or the pseudo terminal that the same dongle sits at. */
export function demoDongle({ port }: DongleSite, terminalPath: string | undefined): DongleSpec {
  const address = LAPTOP_ADDRESS
  return terminalPath === undefined
    ? { id: DEMO_CHANNEL, name: NAME, path: port.path, key: null, simulated: { binding: port.binding, address } }
    : { id: DEMO_CHANNEL, name: NAME, path: terminalPath, key: null, simulated: { binding: undefined, address } }
}

/** One channel serves a few hundred devices in a time that a person waits for; larger sites are there to try the program, not the radio. */
const MOST_ON_ONE_CHANNEL = 250

/** How the site's radio and dongle are made and how its devices join, unless somebody has chosen. */
export function demoOptions(site: DemoOptions, chosen: Omit<NonNullable<CoreOptions['demo']>, 'pty'>): DemoOptions & typeof chosen {
  return { radio: site.devices <= MOST_ON_ONE_CHANNEL ? 'real' : 'ideal', joining: 'proxy', ...site, ...chosen }
}
