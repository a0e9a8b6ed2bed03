// A simulated device joins as a pledge does: over the join proxy next to it, by voucher and EST, and asks for its OSCORE context in the end
// (draft-ietf-anima-constrained-voucher §6, docs/adr/0011-contexts-of-joined-devices.md).
import {
  AppError,
  decodeCbor,
  isCborMap,
  type Clock,
  type DatagramChannel,
  type Logger,
  type Random,
  type SocketAddress,
} from '#main/base/index.ts'
import { Pledge, type JoinedPledge } from '#main/services/join/index.ts'
import { buildName, parseNameText } from '#main/services/ra/index.ts'
import type { DtlsLimits } from '#main/wire/dtls/index.ts'
import type { PlannedDevice } from './floor-plan.ts'
import type { Held } from './pledge-manufacturer.ts'
import type { DeviceEnrolment } from './secure/types.ts'

export interface JoiningDevice {
  readonly planned: PlannedDevice
  readonly birth: Held
  /** Root of its maker, in DER. */
  readonly makerAnchor: Uint8Array
  /** Link-local alone: it has no other address that anybody routes. */
  readonly channel: DatagramChannel
  /** The join proxy next to it, or the registrar itself. */
  readonly to: SocketAddress
  readonly dtls: Partial<DtlsLimits>
  readonly onWaiting: () => void
  /** Takes the keys that it shares with the tool from now on. */
  readonly onContext: (enrolment: DeviceEnrolment) => void
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

const BLOCK_BYTES = 1024
/** OSCORE_Input_Material (RFC 9203 §3.2.1) and, beside it, the Sender IDs. */
const MATERIAL = { masterSecret: 2, masterSalt: 5, deviceId: 'c', toolId: 's' } as const

export async function joinSite(device: JoiningDevice, signal: AbortSignal): Promise<JoinedPledge> {
  const { planned, birth, makerAnchor, channel, to, dtls, onWaiting, onContext, clock, random, logger } = device
  const pledge = new Pledge({
    channel,
    to,
    birth: { key: birth.key, chain: [birth.certificate.bytes] },
    makerAnchors: [makerAnchor],
    subject: buildName(parseNameText(`CN=${planned.eui64}`) ?? []),
    blockBytes: BLOCK_BYTES,
    dtls,
    onStep: (_, outcome) => {
      if (outcome === 'waiting') onWaiting()
    },
    afterwards: async (request) => {
      const { code, payload } = await request({ method: 'POST', path: ['oscore-context'] })
      // A site whose keys for groups are shut has none to give; the certificate stands all the same.
      if (code === '2.04') onContext(contextOf(payload))
    },
    clock,
    random,
    logger,
  })
  return pledge.join(signal)
}

function contextOf(payload: Uint8Array): DeviceEnrolment {
  const map = decodeCbor(payload)
  const read = (label: number | string): Uint8Array => {
    const value = isCborMap(map) ? map.get(label) : undefined
    if (value instanceof Uint8Array) return value
    throw new AppError('join.answer-invalid', 'The OSCORE context cannot be read')
  }
  return {
    masterSecret: read(MATERIAL.masterSecret),
    masterSalt: read(MATERIAL.masterSalt),
    deviceId: read(MATERIAL.deviceId),
    toolId: read(MATERIAL.toolId),
  }
}
