// Names as people type them: a device by id, name, EUI-64 or serial, a group by id or name.
import { AppError, parseEui64 } from '#main/base/index.ts'
import type { ApplicationGroupRow, DeviceRow } from '#contract/model.ts'
import type { Session } from '../session.ts'

/** Throws `device.not-found`, also where the name is ambiguous. */
export function findDevice(session: Session, text: string): DeviceRow {
  const eui64 = parseEui64(text)
  const matches = session
    .rows('devices')
    .filter(
      (device) => device.id === text || device.name === text || device.serial === text || (eui64 !== undefined && device.eui64 === eui64),
    )
  const [only] = matches
  if (only === undefined || matches.length > 1) {
    throw new AppError('device.not-found', matches.length > 1 ? `Several devices are called ${text}` : `No device is called ${text}`, {
      details: { device: text, matches: matches.map((device) => device.id) },
    })
  }
  return only
}

/** Throws `group.not-found`. */
export function findGroup(session: Session, text: string): ApplicationGroupRow {
  const group = session.rows('applicationGroups').find((row) => row.id === text || row.name === text)
  if (group === undefined) throw new AppError('group.not-found', `No group is called ${text}`, { details: { group: text } })
  return group
}
