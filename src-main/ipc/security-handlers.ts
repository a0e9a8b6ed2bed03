// The ops of security groups. Keys of a device go in with its enrolment, and none comes out.
import type { Core } from '#main/core.ts'
import type { Handlers } from './types.ts'

type SecurityHandlers = { readonly [Name in keyof Handlers as Name extends `security.${string}` ? Name : never]: Handlers[Name] }

export function securityHandlers(core: Core): SecurityHandlers {
  const engine = () => core.site().security.engine
  return {
    'security.create': ({ policy, ...group }) => ({ id: engine().create({ ...group, policy }) }),
    'security.update': ({ id, patch }) => engine().update(id, patch),
    'security.remove': ({ id }) => engine().remove(id),
    'security.protect': ({ groupIds, how }) => engine().protect(groupIds, how),
    'security.rekey': ({ id }) => ({ generation: engine().rekey(id) }),
    'security.evictionEffect': ({ id, deviceIds }) => engine().evictionEffect(id, deviceIds),
    'security.evict': ({ id, deviceIds }) => ({ generation: engine().evict(id, deviceIds) }),
    'security.enrol': (input) => {
      // Throws `device.not-found`.
      core.site().inventory.detail(input.deviceId)
      core.site().security.enrol(input)
    },
    'security.startAnew': (_input, { actor }) => {
      // Here, because the file is opened anew before the op has ended.
      core.site().file.audit.append(actor, 'security.startAnew', {})
      return core.startSecurityAnew()
    },
  }
}
