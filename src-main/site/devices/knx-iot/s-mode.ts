// Group messages of KNX (s-mode): what a push button says and an actuator does, in a POST to /k.
import { decodeCbor, encodeCbor, type CborValue } from '#main/base/index.ts'
import type { ClientRequest } from '#main/wire/coap/index.ts'
import { KEY, mapOf, unexpected } from './tables.ts'

export type GroupService = 'write' | 'read' | 'answer'

const SERVICES: Readonly<Record<GroupService, string>> = { write: 'w', read: 'r', answer: 'a' }
const SENDER = 4
const BODY = 5
const SERVICE = 6
const CBOR = 60

export interface GroupMessage {
  readonly service: GroupService
  /** Individual address of who says it. */
  readonly sender: number
  readonly groupAddress: number
  /** Absent in a read. */
  readonly value?: CborValue
}

/** Goes to the group as a Non-confirmable request. */
export function groupMessageRequest(message: GroupMessage): ClientRequest {
  return { method: 'POST', path: ['k'], contentFormat: CBOR, payload: encodeGroupMessage(message) }
}

export function encodeGroupMessage({ service, sender, groupAddress, value }: GroupMessage): Uint8Array {
  const body: Array<[number, CborValue]> = [
    [SERVICE, SERVICES[service]],
    [KEY.groupAddresses, groupAddress],
  ]
  if (value !== undefined) body.push([KEY.value, value])
  return encodeCbor(
    mapOf([
      [SENDER, sender],
      [BODY, mapOf(body)],
    ]),
  )
}

/** Throws `profile.reply-unexpected` for what is none. */
export function decodeGroupMessage(payload: Uint8Array): GroupMessage {
  let whole: CborValue
  try {
    whole = decodeCbor(payload, { maxBytes: 1024, maxDepth: 6 })
  } catch (cause) {
    throw unexpected('is not CBOR', cause)
  }
  const sender = whole instanceof Map ? (whole as ReadonlyMap<unknown, unknown>).get(SENDER) : undefined
  const body = whole instanceof Map ? (whole as ReadonlyMap<unknown, unknown>).get(BODY) : undefined
  if (typeof sender !== 'number' || !(body instanceof Map)) throw unexpected('is no group message')
  const members = body as ReadonlyMap<unknown, CborValue>
  const code = members.get(SERVICE)
  const service = (['write', 'read', 'answer'] as const).find((name) => SERVICES[name] === code)
  const groupAddress = members.get(KEY.groupAddresses)
  const value = members.get(KEY.value)
  if (service === undefined || typeof groupAddress !== 'number') throw unexpected('is no group message')
  return { service, sender, groupAddress, ...(value === undefined ? {} : { value }) }
}
