// What the sheet asks for each kind of change, and the operation that its answers make. Pure.
import type { MaintenanceKind, MaintenanceOperation } from '#contract/model.ts'

export const groupKinds = [
  'members',
  'rename',
  'move',
  'uri',
  'split',
  'merge',
  'security',
  'rekey',
  'retire',
] as const satisfies readonly MaintenanceKind[]

export interface ChangeForm {
  readonly kind: MaintenanceKind
  readonly name: string
  readonly address: string
  readonly port: string
  readonly coapGroupId: string
  readonly sameCoapGroup: boolean
  /** Devices or groups that are ticked. */
  readonly ticked: readonly string[]
  /** Members to take out. */
  readonly out: readonly string[]
  readonly securityGroupId: string
  readonly byId: string
}

export const blankForm: ChangeForm = {
  kind: 'members',
  name: '',
  address: '',
  port: '',
  coapGroupId: '',
  sameCoapGroup: false,
  ticked: [],
  out: [],
  securityGroupId: '',
  byId: '',
}

/** The operation, or undefined while something is missing. */
export function operationOf(
  form: ChangeForm,
  subject: { readonly groupId: string } | { readonly deviceId: string },
): MaintenanceOperation | undefined {
  const name = form.name.trim()
  if ('deviceId' in subject) {
    return form.byId === '' ? undefined : { kind: 'replace', deviceId: subject.deviceId, byId: form.byId }
  }
  const { groupId } = subject
  switch (form.kind) {
    case 'members':
      return form.ticked.length + form.out.length === 0
        ? undefined
        : { kind: 'members', groupId, add: [...form.ticked], remove: [...form.out] }
    case 'rename':
      return name === '' ? undefined : { kind: 'rename', groupId, name }
    case 'move': {
      const [address, port] = [form.address.trim(), Number(form.port)]
      return {
        kind: 'move',
        groupId,
        ...(address === '' ? {} : { address }),
        ...(form.port.trim() === '' || !Number.isInteger(port) ? {} : { port }),
      }
    }
    case 'uri':
      if (name === '' && form.coapGroupId === '') return undefined
      return {
        kind: 'uri',
        groupId,
        ...(name === '' ? {} : { name }),
        ...(form.coapGroupId === '' ? {} : { coapGroupId: form.coapGroupId }),
      }
    case 'split':
      if (name === '' || form.ticked.length === 0) return undefined
      return { kind: 'split', groupId, name, members: [...form.ticked], sameCoapGroup: form.sameCoapGroup }
    case 'merge':
      return form.ticked.length === 0 ? undefined : { kind: 'merge', into: groupId, groupIds: [...form.ticked] }
    case 'security':
      return form.securityGroupId === '' ? undefined : { kind: 'security', groupId, securityGroupId: form.securityGroupId }
    case 'rekey':
      return form.securityGroupId === '' ? undefined : { kind: 'rekey', securityGroupId: form.securityGroupId }
    case 'retire':
      return { kind: 'retire', groupId }
    case 'replace':
      return undefined
  }
}
