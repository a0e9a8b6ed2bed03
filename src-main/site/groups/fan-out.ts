// What would go to a group, sent to its members one by one: for channels that carry no multicast. It shows that the members do as they
// are told, not that they listen to the group's address.
import { toAppError, type DeviceId, type Logger } from '#main/base/index.ts'
import type { ClientRequest } from '#main/wire/coap/index.ts'
import type { DeviceContact } from '#main/site/devices/index.ts'

export interface FanOut {
  readonly request: ClientRequest
  readonly members: ReadonlyArray<{ readonly deviceId: DeviceId; readonly contact: DeviceContact }>
  /** For how long each may take to answer. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly onAnswer: (deviceId: DeviceId, code: string, elapsedMs: number) => void
}

const AT_ONCE = 4

/** Resolves when everybody has answered or been given up. Throws the signal's reason alone. */
export async function fanOut({ request, members, timeoutMs, signal, logger, onAnswer }: FanOut): Promise<void> {
  const queue = members.values()
  const worker = async (): Promise<void> => {
    for (const { deviceId, contact } of queue) {
      try {
        const { code, elapsedMs } = await contact.client.request(contact.at, request, { timeoutMs, signal })
        onAnswer(deviceId, code, elapsedMs)
      } catch (thrown) {
        signal.throwIfAborted()
        logger.debug({ device: deviceId, code: toAppError(thrown).code }, 'A member did not answer')
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}
