// How a device that has joined gets the OSCORE context that it shares with this tool (docs/adr/0011-contexts-of-joined-devices.md): it asks for it over
// DTLS by its new certificate, and the answer is the input material of RFC 9203 §3.2.1.
import { encodeCbor, toAppError, type CborValue, type Clock, type DeviceId, type Logger } from '#main/base/index.ts'
import type { Callers, JoinGate } from '#main/services/join/index.ts'
import type { Inventory } from '#main/site/devices/index.ts'
import {
  ContentFormat,
  OptionNumber,
  uintOption,
  type IncomingRequest,
  type OutgoingResponse,
  type ResourceRegistry,
} from '#main/wire/coap/index.ts'
import { holderOf } from './coaps-trust.ts'
import type { DeviceEnrolment } from './security-enrolments.ts'

export interface ContextDeliveryPorts {
  readonly registry: ResourceRegistry
  readonly callers: Callers
  readonly gate: JoinGate
  readonly inventory: Pick<Inventory, 'all' | 'get'>
  /** New keys, kept as those of the device from now on. Throws where none can be kept. */
  readonly issue: (deviceId: DeviceId) => DeviceEnrolment
  /** By which join proxy a request came. */
  readonly proxyOf: (request: IncomingRequest) => string | undefined
  readonly clock: Clock
  readonly logger: Logger
}

export const CONTEXT_PATH = '/oscore-context'
/** OSCORE_Input_Material (RFC 9203 §3.2.1). */
const LABEL = { masterSecret: 2, hkdf: 3, algorithm: 4, salt: 5 }
const AES_CCM_16_64_128 = 10
const HKDF_SHA_256 = -10
/** Each answer makes the keys before it useless: nobody needs them faster. */
const SHORTEST_INTERVAL_MS = 5000

export function serveContexts(ports: ContextDeliveryPorts): () => void {
  const { registry, callers, gate, inventory, issue, proxyOf, clock, logger } = ports
  /** One entry a device of the list at most. */
  const lastMs = new Map<DeviceId, number>()

  const deviceOf = (deviceId: string | undefined, holder: string | undefined): DeviceId | undefined => {
    const all = inventory.all()
    const named = all.find(({ id }) => id === deviceId)
    return (named ?? all.find(({ eui64, serial }) => holder !== undefined && [eui64, serial?.toLowerCase()].includes(holder)))?.id
  }
  async function answer(request: IncomingRequest): Promise<OutgoingResponse> {
    const verdict = await callers.judge(request.peer?.certificates ?? [], proxyOf(request))
    // A birth certificate says who made the device, not that it belongs here.
    if (verdict.kind !== 'known' || verdict.caller.kind !== 'member') return { code: '4.01' }
    const { pledge, record, certificate } = verdict.caller
    const deviceId = deviceOf(record.deviceId, holderOf(certificate))
    if (deviceId === undefined) return { code: '4.03' }
    const waitMs = (lastMs.get(deviceId) ?? Number.NEGATIVE_INFINITY) + SHORTEST_INTERVAL_MS - clock.monotonicMs()
    if (waitMs > 0) return { code: '4.29', options: [uintOption(OptionNumber.MAX_AGE, Math.ceil(waitMs / 1000))] }
    const at = { pledge, step: 'secured' as const, atMs: Math.floor(clock.now()) }
    try {
      const payload = materialOf(issue(deviceId))
      for (const id of lastMs.keys()) if (inventory.get(id) === undefined) lastMs.delete(id)
      lastMs.set(deviceId, clock.monotonicMs())
      gate.note({ ...at, outcome: 'done' })
      return { code: '2.04', payload, contentFormat: ContentFormat.CBOR, options: [uintOption(OptionNumber.MAX_AGE, 0)] }
    } catch (thrown) {
      const { code } = toAppError(thrown)
      logger.warn({ code, device: deviceId }, 'a device got no OSCORE context')
      gate.note({ ...at, outcome: 'failed', code })
      return { code: '5.03' }
    }
  }
  return registry.add(CONTEXT_PATH, {
    attributes: { rt: 'gw.oscore-context', ct: String(ContentFormat.CBOR) },
    protection: ['dtls-certificate'],
    handlers: { POST: answer },
  })
}

/** Beside the material the Sender IDs of the device (`c`) and of this tool (`s`). */
function materialOf({ masterSecret, masterSalt, deviceId, toolId }: DeviceEnrolment): Uint8Array {
  return encodeCbor(
    new Map<number | string, CborValue>([
      [LABEL.masterSecret, masterSecret],
      [LABEL.hkdf, HKDF_SHA_256],
      [LABEL.algorithm, AES_CCM_16_64_128],
      [LABEL.salt, masterSalt],
      ['c', deviceId],
      ['s', toolId],
    ]),
  )
}
