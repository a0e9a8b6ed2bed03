// The ops of device profiles.
import type { Core } from '#main/core.ts'
import type { Handlers } from './types.ts'

type ProfileHandlers = { readonly [Name in keyof Handlers as Name extends `profiles.${string}` ? Name : never]: Handlers[Name] }

export function profileHandlers(core: Core): ProfileHandlers {
  return {
    'profiles.list': () => core.site().profiles.list(),
    'profiles.lint': ({ text }) => Promise.resolve(core.site().profiles.lint(text)),
    'profiles.try': (input) => core.site().profiles.try(input),
  }
}
