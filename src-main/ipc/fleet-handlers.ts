// The ops of fleets: destinations, pushes, bundles, and who writes. Secrets of destinations go in, and none comes out.
import type { Core } from '#main/core.ts'
import { requireKeyRoles } from '#main/site/access/index.ts'
import type { PushTargetSettings } from '#contract/model.ts'
import type { Handlers } from './types.ts'

type FleetHandlers = { readonly [Name in keyof Handlers as Name extends `fleet.${string}` ? Name : never]: Handlers[Name] }

export function fleetHandlers(core: Core): FleetHandlers {
  return {
    'fleet.saveTarget': ({ id, settings, secret }) => {
      const { access, fleet } = core.site()
      if (givesKeys(settings)) requireKeyRoles(access)
      return { id: fleet.save(id, settings, secret) }
    },
    'fleet.removeTarget': ({ id }) => core.site().fleet.remove(id),
    'fleet.testTarget': ({ id }) => core.site().fleet.test(id),
    'fleet.push': async ({ id, redact }) => {
      const { access, fleet } = core.site()
      const settings = fleet.feed.get(id)?.settings
      if (settings !== undefined && givesKeys(settings)) requireKeyRoles(access)
      return { jobId: await fleet.push(id, redact) }
    },
    'fleet.receiverKey': () => core.bundles.receiverKey(),
    'fleet.inspect': ({ text }) => core.bundles.inspect(text),
    'fleet.importBundle': async (input, { actor }) => {
      const handle = await core.bundles.importBundle(input)
      // Into the audit of the site that was made: the one that was open before has no part in it.
      core.site().file.audit.append(actor, 'fleet.importBundle', { root: input.root, takeOver: input.takeOver })
      return { handle }
    },
    'fleet.takeOver': async (_input, { actor }) => {
      // Here, because the file is opened anew before the op has ended.
      core.site().file.audit.append(actor, 'fleet.takeOver', { from: core.site().writer.lease.holder })
      await core.bundles.takeOver()
    },
  }
}

/** Whether what goes there has the keys of the site in it. */
function givesKeys({ content, receiver }: PushTargetSettings): boolean {
  return content === 'bundle' && receiver !== null
}
