// What a window may send over its WebSocket: calls, and the beginning, progress and end of subscriptions.

export type ClientFrame =
  | { readonly kind: 'call'; readonly id: number; readonly op: string; readonly input: unknown }
  | { readonly kind: 'subscribe'; readonly id: number; readonly feed: string }
  | { readonly kind: 'unsubscribe'; readonly id: number }
  | { readonly kind: 'acknowledge'; readonly id: number }

const MAX_NAME_LENGTH = 80

/** The frame, or undefined where the text is none; any text is taken. */
export function parseFrame(text: string): ClientFrame | undefined {
  const fields = objectOf(text)
  if (fields === undefined) return undefined
  const { id, op, input, subscribe, feed, unsubscribe, acknowledge, ...unknown } = fields
  if (Object.keys(unknown).length > 0) return undefined
  const names = Object.keys(fields).filter((name) => name !== 'input')
  if (names.length === 2 && isId(id) && isName(op)) return { kind: 'call', id, op, input }
  if ('input' in fields) return undefined
  if (names.length === 2 && isId(subscribe) && isName(feed)) return { kind: 'subscribe', id: subscribe, feed }
  if (names.length === 1 && isId(unsubscribe)) return { kind: 'unsubscribe', id: unsubscribe }
  if (names.length === 1 && isId(acknowledge)) return { kind: 'acknowledge', id: acknowledge }
  return undefined
}

function objectOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? { ...parsed } : undefined
  } catch {
    return undefined
  }
}

function isId(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_NAME_LENGTH
}
