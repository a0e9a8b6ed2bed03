// The ops of KNX IoT devices.
import type { Core } from '#main/core.ts'
import type { Handlers } from './types.ts'

type KnxHandlers = { readonly [Name in keyof Handlers as Name extends `knx.${string}` ? Name : never]: Handlers[Name] }

export function knxHandlers(core: Core): KnxHandlers {
  return {
    'knx.settings': () => Promise.resolve(core.site().knx.settings()),
    'knx.changeSettings': (input) => {
      core.site().knx.changeSettings(input)
      return Promise.resolve()
    },
    'knx.device': ({ id }) => Promise.resolve(core.site().knx.device(id)),
    'knx.setAddress': (input) => {
      core.site().knx.setAddress(input)
      return Promise.resolve()
    },
    'knx.bind': (input) => {
      core.site().knx.bind(input)
      return Promise.resolve()
    },
    'knx.setGroupAddress': (input) => Promise.resolve(core.site().knx.setGroupAddress(input)),
    'knx.search': (input) => core.site().knx.search(input),
    'knx.open': (input) => core.site().knx.open(input),
    'knx.show': (input) => core.site().knx.show(input),
    'knx.configure': (input) => core.site().knx.configure(input),
    'knx.send': (input) => core.site().knx.send(input),
    'knx.reset': (input) => core.site().knx.reset(input),
  }
}
