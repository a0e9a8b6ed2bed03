// The window's bridge in a browser: calls and feeds over one WebSocket that comes back by itself.
// This function runs in the page: its compiled text is served as it is, so it must not use anything from outside itself.
import type { Bridge } from '#contract/bridge.ts'

/** What of the browser it uses. */
export interface BridgeEnvironment {
  openSocket(): BridgeSocket
  schedule(delayMs: number, callback: () => void): void
}

export interface BridgeSocket {
  send(text: string): void
  onopen: (() => void) | null
  onclose: (() => void) | null
  onmessage: ((event: { readonly data: unknown }) => void) | null
}

export function createSocketBridge(environment: BridgeEnvironment): Bridge {
  const RETRY_DELAYS_MS = [250, 500, 1000, 2000, 5000]
  const WAIT_FOR_CONNECTION_MS = 10_000
  const WAITING_LIMIT = 200

  /** Frames of our own server, which checks what it sends; `never` because the op or feed decides the type. */
  type ServerFrame = { readonly id: number; readonly reply: never } | { readonly feed: number; readonly message: never }
  interface PendingCall {
    readonly frame: string
    readonly settle: (reply: never) => void
  }
  interface Following {
    readonly feed: string
    readonly listener: (message: never) => void
  }

  const calls = new Map<number, PendingCall>()
  /** Calls that wait for a connection. */
  const waiting = new Set<number>()
  const subscriptions = new Map<number, Following>()
  const connectionListeners = new Set<(connected: boolean) => void>()
  let socket: BridgeSocket | undefined
  let failures = 0
  let lastId = 0

  function connect(): void {
    const next = environment.openSocket()
    let wasOpen = false
    next.onopen = () => {
      wasOpen = true
      socket = next
      failures = 0
      for (const [id, { feed }] of subscriptions) send({ subscribe: id, feed })
      for (const id of waiting) next.send(calls.get(id)?.frame ?? '')
      waiting.clear()
      tellConnection(true)
    }
    next.onmessage = (event) => take(event.data)
    next.onclose = () => {
      socket = undefined
      // What was under way may or may not have been done: the callers learn that nobody knows.
      for (const id of [...calls.keys()]) if (!waiting.has(id)) fail(id)
      const delayMs = RETRY_DELAYS_MS[Math.min(failures, RETRY_DELAYS_MS.length - 1)] ?? 0
      failures += 1
      environment.schedule(delayMs, connect)
      if (wasOpen) tellConnection(false)
    }
  }

  function send(frame: unknown): void {
    socket?.send(JSON.stringify(frame))
  }

  function take(data: unknown): void {
    if (typeof data !== 'string') return
    const frame = JSON.parse(data) as ServerFrame
    if ('reply' in frame) {
      const call = calls.get(frame.id)
      calls.delete(frame.id)
      call?.settle(frame.reply)
    } else {
      try {
        subscriptions.get(frame.feed)?.listener(frame.message)
      } finally {
        send({ acknowledge: frame.feed })
      }
    }
  }

  function fail(id: number): void {
    const call = calls.get(id)
    calls.delete(id)
    waiting.delete(id)
    call?.settle({
      ok: false,
      error: { code: 'cancelled', message: 'The connection to Groupwright was lost', retryable: true, details: {} },
    } as never)
  }

  function tellConnection(connected: boolean): void {
    for (const listener of connectionListeners) listener(connected)
  }

  connect()
  return {
    call: (op, input) =>
      new Promise((resolve) => {
        const id = (lastId += 1)
        const frame = JSON.stringify({ id, op, input })
        calls.set(id, { frame, settle: resolve })
        if (socket !== undefined) {
          socket.send(frame)
          return
        }
        waiting.add(id)
        if (waiting.size > WAITING_LIMIT) fail(id)
        environment.schedule(WAIT_FOR_CONNECTION_MS, () => {
          if (waiting.has(id)) fail(id)
        })
      }),
    subscribe(feed, listener) {
      const id = (lastId += 1)
      subscriptions.set(id, { feed, listener })
      send({ subscribe: id, feed })
      return () => {
        if (subscriptions.delete(id)) send({ unsubscribe: id })
      }
    },
    onConnection(listener) {
      connectionListeners.add(listener)
      return () => {
        connectionListeners.delete(listener)
      }
    },
  }
}
