// The ops of the walk through the building.
import type { Core } from '#main/core.ts'
import type { Handlers } from './types.ts'

type WalkHandlers = { readonly [Name in keyof Handlers as Name extends `walk.${string}` ? Name : never]: Handlers[Name] }

export function walkHandlers(core: Core): WalkHandlers {
  const walk = () => core.site().walk
  return {
    'walk.start': () => walk().start(),
    'walk.stop': () => walk().stop(),
    'walk.blink': () => walk().blink(),
    'walk.place': ({ deviceId, roomId, role }) => walk().place(deviceId, roomId, role),
    'walk.skip': ({ deviceId }) => walk().skip(deviceId),
  }
}
