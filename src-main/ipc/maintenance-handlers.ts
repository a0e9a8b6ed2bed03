// Maintenance of groups: the edit is one entry of the journal; what it leaves to be sent becomes one job.
import type { Core } from '#main/core.ts'
import type { Handlers } from './types.ts'

type MaintenanceHandlers = { readonly [Name in keyof Handlers as Name extends `maintenance.${string}` ? Name : never]: Handlers[Name] }

export function maintenanceHandlers(core: Core): MaintenanceHandlers {
  return {
    'maintenance.preview': ({ operation }) => core.site().maintenance.preview(operation),
    'maintenance.run': ({ operation }, { actor }) => {
      const { maintenance, file, history } = core.site()
      const { kind } = operation
      file.backup(`maintenance-${kind}`)
      const { start } = history.action({ op: `maintenance.${kind}`, actor, final: kind === 'rekey' }, () => maintenance.edit(operation))
      // The edit has ended: what the job does to the project are facts.
      return start()
    },
  }
}
