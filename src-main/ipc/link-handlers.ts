// The ops of the dongles. Keys go in with a dataset, a description or a passphrase, and none comes out.
import type { Core } from '#main/core.ts'
import type { Handlers } from './types.ts'

type LinkHandlers = { readonly [Name in keyof Handlers as Name extends `link.${string}` ? Name : never]: Handlers[Name] }

export function linkHandlers(core: Core): LinkHandlers {
  const rows = () => core.openSite()?.dongles.feed.rows() ?? []
  return {
    'link.ports': () => core.serial.list(rows(), core.openSite()?.demo?.port.binding),
    'link.probe': ({ path, baudRate }) => core.serial.probe(path, baudRate, rows()),
    'link.add': async (input) => ({ id: await core.site().dongles.add(input) }),
    'link.remove': ({ id }) => core.site().dongles.remove(id),
    'link.open': ({ id }) => core.site().dongles.switchOn(id),
    'link.close': ({ id }) => core.site().dongles.switchOff(id),
    'link.retry': ({ id }) => core.site().dongles.retry(id),
    'link.refresh': ({ id }) => core.site().dongles.refresh(id),
    'link.form': ({ id, network }) => core.site().dongles.form(id, network),
    'link.attach': ({ id, ...how }) => core.site().dongles.attach(id, how),
    'link.join': ({ id, passphrase }) => core.site().dongles.join(id, passphrase),
    'link.leave': ({ id }) => core.site().dongles.leave(id),
    'link.scan': ({ id, kind }) => core.site().dongles.scan(id, kind),
    'link.cancel': ({ id }) => core.site().dongles.cancel(id),
  }
}
