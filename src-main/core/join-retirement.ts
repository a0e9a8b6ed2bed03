// What becomes of certificates whose device has joined anew or was replaced: they are revoked, for whoever holds them could pass for the device
// (RFC 5280 §5.3.1: superseded by the device's own new one; cessation of operation where other hardware took its place).
import { toAppError, type Logger } from '#main/base/index.ts'
import type { JoinGate, JoinStep } from '#main/services/join/index.ts'
import type { CertificateRecord, RaStore } from '#main/services/ra/index.ts'

export interface RetirementPorts {
  readonly gate: JoinGate
  readonly records: Pick<RaStore, 'certificate' | 'certificates'>
  /** Throws as the authority does. */
  readonly revoke: (serial: string, reason: 'superseded' | 'cessationOfOperation', actor: string, remark: string) => void
  /** Pledges with the device that each is, and the certificate that it got last. */
  readonly pledges: () => ReadonlyArray<{ readonly key: string; readonly deviceId: string | null }>
  readonly serialOf: (pledgeKey: string) => string | null
  readonly logger: Logger
}

export interface Retirement {
  /** The gate, with the old certificate revoked when a device works with its new one. */
  readonly gate: JoinGate
  /** Asked before somebody says that this pledge takes the place of what the device was; the result is called when it is said. */
  replacing(deviceId: string, pledgeKey: string): (actor: string) => void
}

/** A device has a few; a list that is longer is looked through at the next turn. */
const AT_ONCE = 100
const ACTOR = 'groupwright'

export function createRetirement({ gate, records, revoke, pledges, serialOf, logger }: RetirementPorts): Retirement {
  const isLive = (record: CertificateRecord | undefined): record is CertificateRecord =>
    record?.state === 'valid' && record.replacedBy === undefined
  /** Certificates that were had by a birth certificate: of devices that joined, not of those that enrolled by a secret. */
  const bornAs = (record: CertificateRecord): string | undefined =>
    /^certificate:([0-9a-f]{64})$/.exec(record.holder ?? (record.requester.kind === 'idevid' ? record.requester.key : ''))?.[1]
  const retire = (record: CertificateRecord, keptKey: string, actor: string): void => {
    const own = bornAs(record) === keptKey
    try {
      if (own) revoke(record.serial, 'superseded', actor, 'the device has joined anew')
      else revoke(record.serial, 'cessationOfOperation', actor, 'the device was replaced')
    } catch (thrown) {
      logger.error(
        { code: toAppError(thrown).code, serial: record.serial },
        'the certificate of a device that was replaced could not be revoked',
      )
    }
  }
  const ofDevice = (deviceId: string | null | undefined): readonly CertificateRecord[] => {
    if (deviceId === null || deviceId === undefined) return []
    const others = pledges().filter((pledge) => pledge.deviceId === deviceId)
    return [
      ...records.certificates({ state: 'valid', deviceId, limit: AT_ONCE }),
      ...others.flatMap(({ key }) => certificateOf(serialOf(key)) ?? []),
    ]
  }
  const certificateOf = (serial: string | null): CertificateRecord | undefined =>
    serial === null ? undefined : records.certificate(serial)
  const retireAll = (found: readonly CertificateRecord[], keptKey: string, kept: string | undefined, actor: string): void => {
    const bySerial = new Map(found.map((record) => [record.serial, record]))
    for (const record of bySerial.values()) {
      if (record.serial !== kept && isLive(record) && bornAs(record) !== undefined) retire(record, keptKey, actor)
    }
  }
  /** What each pledge had before the certificate that it was given in this attempt; one entry until it has told how it went. */
  const before = new Map<string, string>()
  const note = (step: JoinStep): void => {
    const { key } = step.pledge
    const had = step.step === 'certificate' && step.outcome === 'done' ? serialOf(key) : null
    if (had !== null && had !== step.certificateSerial) remember(key, had)
    gate.note(step)
    if (step.step !== 'enrolled' || step.outcome !== 'done' || step.certificateSerial === undefined) return
    const now = records.certificate(step.certificateSerial)
    if (now === undefined) return
    const old = before.get(key)
    before.delete(key)
    const deviceId = pledges().find((pledge) => pledge.key === key)?.deviceId ?? now.deviceId
    const found = [...ofDevice(deviceId), ...(old === undefined ? [] : [certificateOf(old)])].filter((record) => record !== undefined)
    // A certificate that renews another is told of by the authority itself, as its profile says.
    retireAll(
      found.filter(({ serial }) => serial !== now.replaces),
      key,
      now.serial,
      ACTOR,
    )
  }
  const remember = (key: string, serial: string): void => {
    const [oldest] = before.keys()
    if (before.size >= AT_ONCE * AT_ONCE && oldest !== undefined) before.delete(oldest)
    before.set(key, serial)
  }
  return {
    gate: { admits: (pledge) => gate.admits(pledge), note },
    replacing(deviceId, pledgeKey) {
      const others = ofDevice(deviceId).filter((record) => bornAs(record) !== pledgeKey)
      return (actor) => retireAll(others, pledgeKey, undefined, actor)
    },
  }
}
