// The core with the contract over it: what every host starts.
import { createCore } from '#main/core.ts'
import type { CoreOptions } from '#main/core.ts'
import { withRoles } from './allowed.ts'
import { withAudit } from './audited.ts'
import { createHandlers } from './handlers.ts'
import { journalled } from './history-handlers.ts'
import { createContractService } from './serve.ts'
import { withWriter } from './writers.ts'
import type { Program } from './types.ts'

export interface ProgramOptions extends CoreOptions {
  /** Checks what handlers and feeds give as well; for tests. */
  readonly checkOutputs?: boolean
}

export function createProgram(options: ProgramOptions): Program {
  const { clock, logger } = options
  const core = createCore(options)
  const contract = createContractService({
    handlers: createHandlers(core),
    around: journalled(core),
    feeds: core.feeds,
    clock,
    logger,
    checkOutputs: options.checkOutputs ?? false,
  })
  const service = withRoles(withWriter(withAudit(contract, core, logger), core), core)
  return {
    service,
    openSiteFile: async (path) => {
      await core.openSiteFile(path)
    },
    exportPath: (handle) => core.exportPath(handle),
    async networkDataset(linkId, actor) {
      const { dongles, file } = core.site()
      const dataset = await dongles.dataset(linkId)
      file.audit.append(actor, 'link.dataset', { id: linkId })
      return dataset
    },
    busy: () => core.busy(),
    async close() {
      service.close()
      await core.close()
    },
  }
}
