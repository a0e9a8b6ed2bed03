// The ops of roles. Who took one up, and who tried to, is in the audit; a PIN never is.
import { AppError } from '#main/base/index.ts'
import type { Core } from '#main/core.ts'
import type { Handlers } from './types.ts'

type AccessHandlers = { readonly [Name in keyof Handlers as Name extends `access.${string}` ? Name : never]: Handlers[Name] }

export function accessHandlers(core: Core): AccessHandlers {
  return {
    'access.unlock': async ({ role, pin, person }, { actor }) => {
      const { access, file } = core.site()
      const who = person === '' ? actor : person
      try {
        await access.unlock(role, pin, person)
      } catch (thrown) {
        if (thrown instanceof AppError && thrown.code === 'access.pin-wrong') file.audit.append(who, 'access.refused', { role })
        throw thrown
      }
      file.audit.append(who, 'access.unlock', { role })
    },
    'access.lock': () => core.site().access.lock(),
    'access.setPin': ({ role, pin }) => core.site().access.setPin(role, pin),
  }
}
