// The ops of joining settings.
import type { Core } from '#main/core.ts'
import type { Handlers } from './types.ts'

type JoiningHandlers = { readonly [Name in keyof Handlers as Name extends `joining.${string}` ? Name : never]: Handlers[Name] }

export function joiningHandlers(core: Core): JoiningHandlers {
  const desk = () => core.site().joinDesk
  return {
    'joining.setOffline': (input) => desk().setOffline(input),
    'joining.setMaker': (input) => desk().setMaker(input),
    'joining.setRegistrar': (input) => desk().setRegistrar(input),
    'joining.setProxy': (input) => desk().setProxy(input),
    'joining.searchNow': () => desk().searchNow(),
    'joining.renewVouchers': () => desk().renewVouchers(),
    'joining.fetchVoucher': (input, { actor }) => desk().fetchVoucher(input, actor),
    'joining.makerLog': ({ key }) => desk().makerLog(key),
  }
}
