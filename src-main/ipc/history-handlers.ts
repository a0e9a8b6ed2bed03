// Undo and redo, and which ops are edits of the project that the journal keeps.
import { AppError } from '#main/base/index.ts'
import type { Core } from '#main/core.ts'
import type { HistoryRow } from '#contract/model.ts'
import type { OpName } from '#contract/ops.ts'
import { needs } from '#contract/rights.ts'
import type { Around } from './serve.ts'
import type { Handlers } from './types.ts'

type HistoryHandlers = { readonly [Name in keyof Handlers as Name extends `history.${string}` ? Name : never]: Handlers[Name] }

export function historyHandlers(core: Core): HistoryHandlers {
  return {
    'history.undo': ({ id }) => core.site().history.undo(id, mayTouch(core)),
    'history.redo': ({ id }) => core.site().history.redo(id, mayTouch(core)),
    'history.list': (page) => {
      const { entries, total } = core.site().history.list(page)
      return { entries: [...entries], total }
    },
  }
}

/** Whoever takes an edit back needs the role that it took. */
function mayTouch(core: Core): (entry: Pick<HistoryRow, 'op'>) => void {
  return ({ op }) => {
    const role = isOp(op) ? needs[op] : 'engineer'
    if (!core.site().access.holds(role)) throw new AppError('access.role-needed', `The role ${role} is needed`, { details: { role } })
  }
}

function isOp(op: string): op is OpName {
  return Object.hasOwn(needs, op)
}

/** Areas whose ops edit the project. What these do not edit leaves no entry; what the network tells in others is no edit. */
const EDITING: ReadonlySet<string> = new Set(['devices', 'rooms', 'groups', 'security', 'rules', 'templates', 'survey', 'drift', 'walk'])
/** Edits in areas where most ops are none. */
const EDITS: ReadonlySet<OpName> = new Set<OpName>(['site.update', 'knx.setGroupAddress'])
/** Keys that were changed do not come back. */
const FINAL: ReadonlySet<OpName> = new Set<OpName>(['security.rekey', 'security.evict'])

/** Whatever an op edits before its handler returns is one entry of the journal. */
export function journalled(core: Pick<Core, 'openSite'>): Around {
  return (name, { actor }, work) => {
    const history = isEditing(name) ? core.openSite()?.history : undefined
    return history === undefined ? work() : history.action({ op: name, actor, final: FINAL.has(name) }, work)
  }
}

function isEditing(name: OpName): boolean {
  return EDITS.has(name) || EDITING.has(name.split('.')[0] ?? '')
}
