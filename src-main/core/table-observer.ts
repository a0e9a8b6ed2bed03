// Observes group tables (RFC 7641) for the survey: which devices say that theirs can be, and how a registration takes its turn on the channel.
import { AppError, toAppError, type Clock, type DeviceId, type Logger } from '#main/base/index.ts'
import type { DeviceProfile, Inventory } from '#main/site/devices/index.ts'
import type { TableListeners, TableObserver } from '#main/site/survey/index.ts'
import { linkAttribute, parseLinkFormat } from '#main/wire/coap/index.ts'
import type { ClientResponse } from '#main/wire/coap/index.ts'
import { inTurnOf } from './channel-budget.ts'
import type { SiteNetwork } from './network.ts'

export interface TableObserverPorts {
  readonly inventory: Pick<Inventory, 'get' | 'links' | 'contact'>
  readonly profiles: readonly DeviceProfile[]
  readonly network: Pick<SiteNetwork, 'channels'>
  readonly clock: Clock
  readonly logger: Logger
}

/** Links are looked at again after so long: firmware may learn to be observed. */
const LOOK_AGAIN_MS = 3_600_000

export function createTableObserver({ inventory, profiles, network, clock, logger }: TableObserverPorts): TableObserver {
  const looked = new Map<DeviceId, { readonly at: unknown; readonly untilMs: number; readonly observable: boolean }>()

  function look(id: DeviceId): boolean {
    const device = inventory.get(id)
    const table = profiles.find((profile) => profile.id === device?.profileId)?.table
    const text = table === undefined ? undefined : inventory.links(id)
    if (table === undefined || text === undefined) return false
    const href = `/${table.request.path.join('/')}`
    try {
      return parseLinkFormat(text).some((link) => link.href === href && linkAttribute(link, 'obs') !== undefined)
    } catch (thrown) {
      logger.debug({ device: id, code: toAppError(thrown).code }, 'the links of a device cannot be read')
      return false
    }
  }

  return {
    isObservable(id) {
      const at = inventory.get(id)?.at
      if (at === undefined || at === null) {
        looked.delete(id)
        return false
      }
      const known = looked.get(id)
      if (known?.at === at && known.untilMs > clock.monotonicMs()) return known.observable
      const observable = look(id)
      looked.set(id, { at, untilMs: clock.monotonicMs() + LOOK_AGAIN_MS, observable })
      return observable
    },
    async observe(id, { onTable }: TableListeners, signal) {
      const { contact, profile } = inventory.contact(id)
      const way = network.channels().find(({ client }) => client.channelId === contact.client.channelId)
      const { table } = profile
      if (way === undefined || table === undefined)
        throw new AppError('network.down', 'The device cannot be observed on its channel', {
          retryable: true,
          details: { to: contact.at.address },
        })
      const first = Promise.withResolvers<undefined>()
      const failed = Promise.withResolvers<never>()
      const taken = (notification: ClientResponse): void => {
        first.resolve(undefined)
        try {
          onTable(table.read(notification))
        } catch (thrown) {
          failed.reject(toAppError(thrown))
        }
      }
      const observation = way.observer.observe(contact.at, table.request, { signal, onNotification: taken })
      const ended = (async () => {
        // Notifications are taken by the listener, in their order; the iteration tells when it is over.
        for await (const notification of observation) if (!observation.active && notification.code !== '2.05') return
      })()
      const over = Promise.race([ended, failed.promise])
      try {
        await inTurnOf(way.client, () => Promise.race([first.promise, over]), signal)
        await over
      } finally {
        first.resolve(undefined)
        failed.promise.catch(() => undefined)
        ended.catch(() => undefined)
        await observation.cancel().catch(() => undefined)
      }
    },
  }
}
