// Multi-selection over ordered keys, as lists and tables of an operating system do it. Pure.

export interface SelectionState {
  readonly keys: ReadonlySet<string>
  /** Where a range begins. */
  readonly anchor: string | null
  /** The row that the keyboard is on. */
  readonly cursor: string | null
}

export const emptySelection: SelectionState = { keys: new Set(), anchor: null, cursor: null }

export interface PickModifiers {
  readonly shift?: boolean
  /** Ctrl, or Cmd on a Mac. */
  readonly toggle?: boolean
}

function range(order: readonly string[], from: string, to: string): readonly string[] {
  const a = order.indexOf(from)
  const b = order.indexOf(to)
  if (a < 0 || b < 0) return [to]
  return order.slice(Math.min(a, b), Math.max(a, b) + 1)
}

/** A click on a row. */
export function pick(state: SelectionState, order: readonly string[], key: string, modifiers: PickModifiers = {}): SelectionState {
  if (modifiers.shift && state.anchor !== null) {
    const span = range(order, state.anchor, key)
    return { keys: modifiers.toggle ? new Set([...state.keys, ...span]) : new Set(span), anchor: state.anchor, cursor: key }
  }
  if (modifiers.toggle) return toggle(state, key)
  return { keys: new Set([key]), anchor: key, cursor: key }
}

/** A click on a row's box, or the space bar. */
export function toggle(state: SelectionState, key: string): SelectionState {
  const keys = new Set(state.keys)
  if (!keys.delete(key)) keys.add(key)
  return { keys, anchor: key, cursor: key }
}

/** Moves the cursor by rows; with shift the selection stretches from the anchor to it, without it nothing is selected or dropped. */
export function step(state: SelectionState, order: readonly string[], by: number, shift = false): SelectionState {
  if (order.length === 0) return state
  const at = state.cursor === null ? -1 : order.indexOf(state.cursor)
  const target = at < 0 ? (by > 0 ? 0 : order.length - 1) : Math.max(0, Math.min(order.length - 1, at + by))
  const cursor = order[target] ?? null
  if (!shift || cursor === null) return { ...state, cursor, anchor: cursor }
  const anchor = state.anchor ?? cursor
  return { keys: new Set(range(order, anchor, cursor)), anchor, cursor }
}

export function selectAll(state: SelectionState, order: readonly string[]): SelectionState {
  return { ...state, keys: new Set(order) }
}

/** Drops what is no longer there. Gives the same object when nothing changed. */
export function retain(state: SelectionState, exists: (key: string) => boolean): SelectionState {
  const keys = [...state.keys].filter(exists)
  const cursor = state.cursor !== null && exists(state.cursor) ? state.cursor : null
  const anchor = state.anchor !== null && exists(state.anchor) ? state.anchor : null
  if (keys.length === state.keys.size && cursor === state.cursor && anchor === state.anchor) return state
  return { keys: new Set(keys), anchor, cursor }
}
