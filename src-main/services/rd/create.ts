// A directory with its CoAP interface on a resource tree.
import { serveLookups } from './lookup-resources.ts'
import type { ResourceDirectory } from './operator-types.ts'
import { OperatedDirectory } from './operator.ts'
import { serveRegistrations } from './resources.ts'
import { serveSimpleRegistration } from './simple-registration.ts'
import { SourceRates } from './source-rates.ts'
import type { DirectoryOptions } from './types.ts'

export function createResourceDirectory(options: DirectoryOptions): ResourceDirectory {
  const { clock, random, registry, simple } = options
  let onProof: (proveAddresses: boolean) => void = () => undefined
  const directory = new OperatedDirectory(options, ({ sourceLimits, proveAddresses }) => {
    rates.setLimits(sourceLimits)
    onProof(proveAddresses)
  })
  const rates = new SourceRates(clock, directory.settings.sourceLimits)
  directory.start((started) => {
    let proving = started.settings.proveAddresses
    const hangUp = (): (() => void) => serveRegistrations(started, { registry, rates, proveAddresses: proving })
    let takeDown = hangUp()
    onProof = (proveAddresses) => {
      if (proveAddresses === proving) return
      proving = proveAddresses
      takeDown()
      takeDown = hangUp()
    }
    const takeAway = [() => takeDown(), serveLookups(started, registry, clock)]
    if (simple !== undefined) takeAway.push(serveSimpleRegistration(started, { simple, registry, rates, clock, random }))
    return () => {
      onProof = () => undefined
      takeAway.forEach((take) => take())
    }
  })
  return directory
}
