// ipcMain: handlers and listeners by channel.
import { EventEmitter } from 'node:events'

type InvokeHandler = (event: unknown, ...args: readonly unknown[]) => unknown

const handlers = new Map<string, InvokeHandler>()

class IpcMain extends EventEmitter {
  handle(channel: string, handler: InvokeHandler): void {
    if (handlers.has(channel)) throw new Error(`a second handler for ${channel}`)
    handlers.set(channel, handler)
  }
}

export const ipcMain = new IpcMain()

export interface Delivery {
  readonly kind: 'invoke' | 'send'
  readonly channel: string
  readonly args: readonly unknown[]
}

/** Hands a message of a page over; the answer of `invoke`, or its failure as Electron tells it. */
export async function deliver(
  { kind, channel, args }: Delivery,
  event: unknown,
): Promise<{ readonly value?: unknown; readonly error?: string }> {
  if (kind === 'send') {
    ipcMain.emit(channel, event, ...args)
    return {}
  }
  const handler = handlers.get(channel)
  if (handler === undefined) return { error: `No handler registered for '${channel}'` }
  try {
    return { value: structuredClone(await handler(event, ...args)) }
  } catch (thrown) {
    return { error: `Error invoking remote method '${channel}': ${String(thrown)}` }
  }
}
