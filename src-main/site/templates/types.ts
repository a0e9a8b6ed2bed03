// Room types at rest, and the ports of the room.
import type { KeyedFeed } from '#main/base/index.ts'
import type { TemplateChange, TemplateRow, TemplateText, TemplateUseRow } from '#contract/model.ts'

export interface TemplateRecord extends TemplateText {
  readonly id: string
  readonly version: number
}

/** A room that a template was applied to, and what came of it. */
export interface TemplateUse {
  readonly roomId: string
  readonly templateId: string
  readonly version: number
  /** Roles that a person gave: device to role. Where one role fits alone, nobody has to. */
  readonly roles: Readonly<Record<string, string>>
  /** Application groups by the template's key. */
  readonly groups: Readonly<Record<string, TemplateUseGroup>>
}

export interface TemplateUseGroup {
  readonly groupId: string
  /** The name that the template gave: a group that a person renamed since keeps its own. */
  readonly name: string
  /** Devices that joined by the template: those alone leave by it. */
  readonly joined: readonly string[]
}

/** Port: durable when a write returns. */
export interface TemplateStore {
  templates(): readonly TemplateRecord[]
  saveTemplate(template: TemplateRecord): void
  removeTemplate(id: string): void
  uses(): readonly TemplateUse[]
  saveUse(use: TemplateUse): void
  removeUse(roomId: string): void
}

/** How groups are protected, as the security layer takes it. */
export type TemplateProtection =
  | { readonly mode: 'automatic' }
  | { readonly mode: 'secured'; readonly securityGroupIds: readonly string[] }
  | { readonly mode: 'nosec'; readonly reason: string }

/** Port to the security layer of groups. */
export interface ProtectionPort {
  /** The security groups that protect an application group; empty where none does. */
  of(groupId: string): readonly string[]
  protect(groupId: string, how: TemplateProtection): void
}

export interface Templates {
  readonly feed: KeyedFeed<TemplateRow>
  readonly useFeed: KeyedFeed<TemplateUseRow>
  /** Throws `template.invalid`, `template.not-found`, `template.name-taken`. */
  save(text: TemplateText, id?: string): string
  /** Throws `template.not-found`. */
  remove(id: string): void
  /** Throws `template.not-found`, `room.not-found`. */
  preview(templateId: string, roomIds: readonly string[]): readonly TemplateChange[]
  apply(templateId: string, roomIds: readonly string[]): { groups: number; memberships: number; undecided: number }
  /** Throws `device.not-found`, `template.not-found` where its room has none, `template.invalid` where the role does not fit. */
  assign(deviceIds: readonly string[], role: string | null): void
  detach(roomIds: readonly string[]): void
  /** Takes over what has changed in the store under it. */
  reload(): void
  close(): void
}
