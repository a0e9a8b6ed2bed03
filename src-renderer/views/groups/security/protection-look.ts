// How the protection of a group is shown: a word, an icon and a tone; unprotected is red wherever it stands.
import { Lock, LockKeyhole, LockKeyholeOpen, ShieldAlert } from '@lucide/vue'
import type { LucideIcon } from '@lucide/vue'
import type { GroupProtectionRow, SecurityGroupRow } from '#contract/model.ts'

export type ProtectionWord = 'secured' | 'joining' | 'planned' | 'nosec' | 'open' | 'none'

/** `joining`: not all that shall be are members with the newest keys; `planned`: there are no keys yet. */
export function protectionWord(
  protection: GroupProtectionRow | undefined,
  groups: readonly SecurityGroupRow[],
  members: number,
): ProtectionWord {
  if (protection === undefined) return 'none'
  if (protection.mode !== 'secured') return members === 0 && protection.mode === 'open' ? 'none' : protection.mode
  if (groups.length === 0 || groups.some((group) => group.generation === null)) return 'planned'
  return groups.every((group) => group.current >= group.wanted) ? 'secured' : 'joining'
}

export const protectionLooks: Readonly<Record<ProtectionWord, { readonly icon: LucideIcon; readonly tone: string }>> = {
  secured: { icon: Lock, tone: 'confirmed' },
  joining: { icon: LockKeyhole, tone: 'sent' },
  planned: { icon: LockKeyhole, tone: 'planned' },
  nosec: { icon: LockKeyholeOpen, tone: 'failed' },
  open: { icon: ShieldAlert, tone: 'failed' },
  none: { icon: LockKeyholeOpen, tone: 'planned' },
}
