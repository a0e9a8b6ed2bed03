// Maintenance of groups: the edit is one entry of the journal; what it leaves to be sent becomes one job.
import { AppError } from '#main/base/index.ts'
import type { Core } from '#main/core.ts'
import type { Handlers } from './types.ts'

type MaintenanceHandlers = { readonly [Name in keyof Handlers as Name extends `maintenance.${string}` ? Name : never]: Handlers[Name] }

export function maintenanceHandlers(core: Core): MaintenanceHandlers {
  return {
    'maintenance.preview': ({ operation }) => core.site().maintenance.preview(operation),
    'maintenance.run': ({ operation }, { actor }) => {
      const { maintenance, file, history, access } = core.site()
      const { kind } = operation
      // Certificates are withdrawn by whoever may do that, whichever way it comes about.
      if (kind === 'replace' && !access.holds('operator') && maintenance.preview(operation).irreversible.includes('certificate'))
        throw new AppError('access.role-needed', 'The role operator is needed', { details: { role: 'operator' } })
      file.backup(`maintenance-${kind}`)
      const { start } = history.action({ op: `maintenance.${kind}`, actor, final: kind === 'rekey' }, () =>
        maintenance.edit(operation, actor),
      )
      // The edit has ended: what the job does to the project are facts.
      return start()
    },
  }
}
