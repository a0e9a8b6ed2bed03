// The admin interface at /manage: groups made, found, read, changed and deleted by administrators (gm-admin-17 §6). What it does, the
// program does by the same functions.
import { AppError, encodeCbor, type Clock } from '#main/base/index.ts'
import {
  checkPreconditions,
  ContentFormat,
  entityTag,
  formatLinkFormat,
  location,
  validated,
  type IncomingRequest,
  type Method,
  type OutgoingResponse,
  type Resource,
} from '#main/wire/coap/index.ts'
import { utf8 } from '#main/base/index.ts'
import type { AccessControl, Caller } from './access.ts'
import { groupcomm, groupcommError, malformed } from './answers.ts'
import { configurationMap, readNew, readOverwrite, readPatch, same, type MapFault, type ReadConfiguration } from './admin-map.ts'
import { needsOtherCredentials, type GroupConfiguration } from './configuration.ts'
import { Admin, AceFormat, ErrorId } from './labels.ts'
import { readFields, textOf, type Fields } from './reading.ts'
import { adminRights, decodeNames, isGroupName, listOf, nameMatches, type AdminRight } from './scope.ts'
import type { GroupStatus } from './types.ts'

export const MANAGE_PATH = 'manage'

/** What the admin interface needs of the Group Manager. */
export interface AdministeredGroups {
  addGroup(name: string, configuration: GroupConfiguration, expiresAtMs?: number): GroupStatus
  configure(name: string, configuration: GroupConfiguration, expiresAtMs?: number): GroupStatus
  deleteGroup(name: string): void
  groups(): readonly GroupStatus[]
  status(name: string): GroupStatus
  hasGroup(name: string): boolean
  asUri(): string
}

export interface AdminPorts {
  readonly access: AccessControl
  readonly manager: AdministeredGroups
  readonly baseUri: () => string
  readonly clock: Clock
}

/** Names that are tried when the one that is asked for is taken. */
const OTHER_NAMES = 100
const MAX_FILTERED = 64

export class AdminResources {
  readonly #ports: AdminPorts

  constructor(ports: AdminPorts) {
    this.#ports = ports
  }

  resource(): Resource {
    const handle = (request: IncomingRequest): OutgoingResponse => this.#handle(request)
    return { handlers: { GET: handle, POST: handle, FETCH: handle, PATCH: handle, iPATCH: handle, DELETE: handle }, subtree: true }
  }

  #handle(request: IncomingRequest): OutgoingResponse {
    const { access } = this.#ports
    const caller = access.callerOf(request)
    if (caller === undefined) return access.refusal('4.01')
    if (caller.admin.length === 0) return access.refusal('4.03')
    const [, name, ...more] = request.path
    if (more.length > 0) return { code: '4.04' }
    try {
      return name === undefined || name === '' ? this.#collection(request, caller) : this.#group(request, caller, name)
    } catch (thrown) {
      // The program says no where its limits are reached, and to credentials that nobody here vouches for.
      if (thrown instanceof AppError && (thrown.code === 'input.too-large' || thrown.code === 'crypto.unsupported'))
        return groupcommError(ErrorId.UNSUPPORTED, thrown.message)
      throw thrown
    }
  }

  // ---- /manage ---------------------------------------------------------------------------------------------------

  #collection(request: IncomingRequest, caller: Caller): OutgoingResponse {
    if (request.method === 'GET') return this.#list(this.#visible(caller))
    if (request.method === 'POST') return this.#create(request, caller)
    if (request.method !== 'FETCH') return { code: '4.05' }
    const fields = fieldsOf(request)
    if (fields === undefined) return malformed('A map of parameters')
    return this.#list(this.#visible(caller).filter((group) => this.#matches(group, fields)))
  }

  #visible(caller: Caller): readonly GroupStatus[] {
    return this.#ports.manager.groups().filter(({ name }) => adminRights(caller.admin, name) !== undefined)
  }

  #list(groups: readonly GroupStatus[]): OutgoingResponse {
    const base = this.#ports.baseUri()
    const links = groups.map(({ name }) => ({
      href: `${base}/${MANAGE_PATH}/${encodeURIComponent(name)}`,
      attributes: [{ name: 'rt', value: 'core.osc.gconf' }],
    }))
    return { code: '2.05', payload: utf8(formatLinkFormat(links)), contentFormat: ContentFormat.LINK_FORMAT }
  }

  /** All criteria together; the name may be a pattern (§6.2). */
  #matches(group: GroupStatus, fields: Fields): boolean {
    const map = this.#map(group)
    return [...fields].every(([label, wanted]) => {
      if (label !== Admin.GROUP_NAME) return same(map.get(label), wanted)
      const names = decodeNames(wanted)
      return names !== undefined && names !== true && nameMatches(names, group.name)
    })
  }

  #create(request: IncomingRequest, caller: Caller): OutgoingResponse {
    const { manager, access, clock } = this.#ports
    const fields = fieldsOf(request)
    const wanted = textOf(fields?.get(Admin.GROUP_NAME))
    if (fields === undefined || !isGroupName(wanted)) return malformed('group_name')
    const rights = adminRights(caller.admin, wanted)
    if (rights?.has('create') !== true) return access.refusal('4.03')
    const read = readNew(fields, clock.now())
    if ('kind' in read) return faultResponse(read, '4.00')
    const name = this.#freeName(wanted, caller, rights)
    if (name === undefined) return groupcommError(ErrorId.NO_NAME)
    manager.addGroup(name, read.configuration, read.expiresAtMs)
    return this.#done('2.01', name, read)
  }

  /** The name that is asked for, or one that the administrator has the same rights to (§6.3). */
  #freeName(wanted: string, caller: Caller, rights: ReadonlySet<AdminRight>): string | undefined {
    const { manager } = this.#ports
    if (!manager.hasGroup(wanted)) return wanted
    for (let number = 2; number < OTHER_NAMES; number++) {
      const name = `${wanted}-${number}`
      const others = adminRights(caller.admin, name)
      if (!manager.hasGroup(name) && isGroupName(name) && others?.symmetricDifference(rights).size === 0) return name
    }
    return undefined
  }

  // ---- /manage/NAME ----------------------------------------------------------------------------------------------

  #group(request: IncomingRequest, caller: Caller, name: string): OutgoingResponse {
    const { manager, access } = this.#ports
    const needed = NEEDED[request.method]
    if (needed === undefined) return { code: '4.05' }
    if (adminRights(caller.admin, name)?.has(needed) !== true) return access.refusal('4.03')
    if (!manager.hasGroup(name)) return { code: '4.04' }
    const group = manager.status(name)
    const whole = this.#whole(group)
    if (request.method === 'GET') return validated(request, whole)
    if (request.method === 'FETCH') return this.#part(request, group)
    const failed = checkPreconditions(request, whole.options?.[0])
    if (failed !== undefined) return failed
    if (request.method === 'DELETE') {
      if (group.configuration.active) return groupcommError(ErrorId.ACTIVE)
      manager.deleteGroup(name)
      return { code: '2.02' }
    }
    const fields = fieldsOf(request)
    if (fields === undefined) return malformed('A map of parameters')
    const nowMs = this.#ports.clock.now()
    const read =
      request.method === 'POST'
        ? readOverwrite(fields, group.configuration, nowMs)
        : readPatch(fields, group.configuration, nowMs, request.method === 'iPATCH')
    if ('kind' in read) return faultResponse(read, request.method === 'POST' ? '4.00' : '4.09')
    if (needsOtherCredentials(group.configuration, read.configuration)) {
      return groupcommError(ErrorId.UNSUPPORTED, 'Other credentials need another group')
    }
    manager.configure(name, read.configuration, read.expiresAtMs)
    return this.#done('2.04', name, read)
  }

  #part(request: IncomingRequest, group: GroupStatus): OutgoingResponse {
    const filter = fieldsOf(request)?.get(Admin.CONF_FILTER)
    if (!Array.isArray(filter) || filter.length === 0 || filter.length > MAX_FILTERED) return malformed('conf_filter')
    const wanted = new Set<unknown>(listOf(filter))
    return groupcomm(
      '2.05',
      [...this.#map(group)].filter(([label]) => wanted.has(label)),
    )
  }

  #whole(group: GroupStatus): OutgoingResponse {
    const payload = encodeCbor(this.#map(group))
    return { code: '2.05', payload, contentFormat: AceFormat.GROUPCOMM, options: [entityTag(payload, AceFormat.GROUPCOMM)] }
  }

  #map({ name, configuration, expiresAtMs }: GroupStatus): ReturnType<typeof configurationMap> {
    return configurationMap({ name, configuration, expiresAtMs, joiningUri: this.#joiningUri(name), asUri: this.#ports.manager.asUri() })
  }

  #joiningUri(name: string): string {
    return `${this.#ports.baseUri()}/ace-group/${encodeURIComponent(name)}`
  }

  #done(code: '2.01' | '2.04', name: string, { asksGidReuse }: ReadConfiguration): OutgoingResponse {
    return groupcomm(
      code,
      [
        [Admin.GROUP_NAME, name],
        [Admin.JOINING_URI, this.#joiningUri(name)],
        [Admin.AS_URI, this.#ports.manager.asUri()],
        [Admin.GID_REUSE, asksGidReuse ? false : undefined],
      ],
      code === '2.01' ? location([MANAGE_PATH, name]) : [],
    )
  }
}

const NEEDED: Partial<Record<Method, AdminRight>> = {
  GET: 'read',
  FETCH: 'read',
  POST: 'write',
  PATCH: 'write',
  iPATCH: 'write',
  DELETE: 'delete',
}

function fieldsOf({ contentFormat, payload }: IncomingRequest): Fields | undefined {
  return contentFormat === AceFormat.GROUPCOMM ? readFields(payload) : undefined
}

function faultResponse({ kind, detail }: MapFault, inconsistentCode: '4.00' | '4.09'): OutgoingResponse {
  if (kind === 'unsupported') return groupcommError(ErrorId.UNSUPPORTED, detail)
  if (kind === 'malformed' || inconsistentCode === '4.00') return malformed(detail)
  return { ...malformed(detail), code: '4.09' }
}
