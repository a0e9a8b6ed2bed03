// The hand-over of an open site: files, destinations, and what both need of the rest of the site.
import type { AppError, Clock, Logger, Random } from '#main/base/index.ts'
import type { DeviceProfile, Inventory } from '#main/site/devices/index.ts'
import { collectSite, createExchange, type Exchange } from '#main/site/exchange/index.ts'
import type { GroupEngine } from '#main/site/groups/index.ts'
import type { JobService } from '#main/site/jobs/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import type { SiteEnrolment } from './enrolment.ts'
import { compareBundle, createPacking, createSiteFleet, type SiteFleet } from './fleet.ts'
import type { Keyring } from './keyring.ts'
import type { SiteSecurity } from './security.ts'
import type { HostServices } from './types.ts'
import type { SiteWriter } from './writer.ts'

export interface HandOverPorts {
  readonly file: SiteFile
  readonly keyring: Keyring | AppError
  readonly writer: SiteWriter
  /** Comes after this. */
  readonly enrolment: () => SiteEnrolment
  readonly profiles: readonly DeviceProfile[]
  readonly inventory: Inventory
  readonly groups: GroupEngine
  readonly jobs: JobService
  readonly security: Pick<SiteSecurity, 'exported'>
  readonly services: HostServices
  /** Name and version of this program. */
  readonly tool: string
  readonly directory: string
  /** Closes the site and opens it again. */
  readonly reopen: () => void
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export function createHandOver(ports: HandOverPorts): { readonly exchange: Exchange; readonly fleet: SiteFleet } {
  const { file, writer, inventory, security, services, logger } = ports
  const exchange = createExchange({
    ...ports,
    store: file.exports,
    model: () => {
      inventory.flush()
      const { id, kind, details, createdAt, demo } = file.meta()
      return {
        document: collectSite({ id, kind, details, createdAt, demo }, file.devices, file.groups, security.exported),
        revision: file.revision,
      }
    },
    printPdf: (html) => services.printPdf(html),
    canPrintPdf: () => services.canPrintPdf(),
    packing: createPacking(ports),
  })
  const compare = (text: string): Promise<void> =>
    compareBundle(text, {
      siteId: file.meta().id,
      writer,
      database: file.database,
      ended: ports.reopen,
      logger,
    })
  return { exchange, fleet: createSiteFleet({ ...ports, exchange, compare }) }
}
