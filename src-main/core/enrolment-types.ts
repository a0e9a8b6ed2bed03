// The parts of a site's registration authority that its desk works with.
import type { KeyVault, RaDesk, RegistrationAuthority, SiteCa } from '#main/services/ra/index.ts'

/** The parts that are there once the keys are open. */
export interface OpenAuthority {
  readonly ca: SiteCa
  readonly authority: RegistrationAuthority
  readonly desk: RaDesk
  readonly vault: KeyVault
}
