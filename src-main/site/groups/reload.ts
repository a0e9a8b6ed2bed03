// The edit that brings the book to what the store holds, for rows that were changed in the store by others.
import type { CoapGroupId, DeviceId, GroupId } from '#main/base/index.ts'
import type { Edit } from './edit.ts'
import { membershipKey, readMembershipKey } from './plan.ts'
import type { GroupStore, MembershipRecord } from './types.ts'

export interface BookKeys {
  readonly coap: ReadonlySet<CoapGroupId>
  readonly groups: ReadonlySet<GroupId>
  /** Keys of memberships. */
  readonly cells: ReadonlySet<string>
}

/** The book, as far as it is asked what it has. */
interface Cells {
  cell(deviceId: DeviceId, groupId: GroupId): MembershipRecord | undefined
}

export function editFromStore(store: GroupStore, book: Cells, keys: BookKeys): Required<Edit> {
  const coap = store.coapGroups().filter(({ id }) => keys.coap.has(id))
  const groups = store.applicationGroups().filter(({ id }) => keys.groups.has(id))
  const cells = keys.cells.size === 0 ? [] : store.memberships().filter((cell) => keys.cells.has(membershipKey(cell)))
  const coapNow = new Set(coap.map(({ id }) => id))
  const groupsNow = new Set(groups.map(({ id }) => id))
  const cellsNow = new Set(cells.map(membershipKey))
  return {
    coap,
    groups,
    cells,
    removedCoap: [...keys.coap].filter((id) => !coapNow.has(id)),
    removedGroups: [...keys.groups].filter((id) => !groupsNow.has(id)),
    removedCells: [...keys.cells].flatMap((key) => {
      const ref = cellsNow.has(key) ? undefined : readMembershipKey(key)
      return ref === undefined ? [] : (book.cell(ref.deviceId, ref.groupId) ?? [])
    }),
  }
}
