// A directory with its CoAP interface on a resource tree.
import { Directory } from './directory.ts'
import { serveLookups } from './lookup-resources.ts'
import { serveRegistrations } from './resources.ts'
import { serveSimpleRegistration } from './simple-registration.ts'
import { DEFAULT_SOURCE_LIMITS, SourceRates } from './source-limits.ts'
import type { DirectoryOptions, ResourceDirectory } from './types.ts'

export function createResourceDirectory(options: DirectoryOptions): ResourceDirectory {
  const { clock, random, registry, simple, sourceLimits } = options
  const rates = sourceLimits === undefined ? undefined : new SourceRates(clock, { ...DEFAULT_SOURCE_LIMITS, ...sourceLimits })
  const directory = new Directory(options)
  directory.start((started) => {
    const takeAway = [
      serveRegistrations(started, { registry, rates, proveAddresses: options.proveAddresses === true }),
      serveLookups(started, registry, clock),
    ]
    if (simple !== undefined) takeAway.push(serveSimpleRegistration(started, { simple, registry, rates, clock, random }))
    return () => takeAway.forEach((take) => take())
  })
  return directory
}
