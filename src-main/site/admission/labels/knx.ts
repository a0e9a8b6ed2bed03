// KNX IoT: `KNX:S:<serial>;P:<password>`, and the same behind a Thread code (knx-iot.github.io, QR codes).
import { addressDigits } from './eui.ts'
import { label, problem, type Found, type LabelFault, type LabelReading } from './types.ts'

const SERIAL_DIGITS = 12
const PASSWORD = /^[\x21-\x39\x3c-\x7e]{1,64}$/

export function readKnx(text: string): LabelReading {
  const found = knxFields(text)
  return 'kind' in found ? found : label(found)
}

/** The fields alone, for the form behind a Thread code. */
export function knxFields(text: string): Found | LabelFault {
  const fields = new Map<string, string>()
  for (const part of text.trim().slice('KNX:'.length).split(';')) {
    if (part.trim() === '') continue
    const colon = part.indexOf(':')
    const name = part.slice(0, Math.max(0, colon)).trim().toUpperCase()
    if (colon < 1) return failed('incomplete', 'S')
    if (fields.has(name)) return failed('contradiction', name)
    fields.set(name, part.slice(colon + 1).trim())
  }
  const serial = fields.get('S')
  if (serial === undefined || serial === '') return failed('incomplete', 'S')
  const digits = addressDigits(serial)
  if (digits === undefined) return failed('not-hex', 'S')
  if (digits.length !== SERIAL_DIGITS) return failed('wrong-length', 'S', { wanted: SERIAL_DIGITS, length: digits.length })
  const password = fields.get('P')
  if (password !== undefined && !PASSWORD.test(password)) return failed('bad-characters', 'P')
  return { format: 'knx', serial: digits.toUpperCase(), ...(password === undefined ? {} : { secrets: { password } }) }
}

function failed(reason: LabelFault['problem']['reason'], field: string, params: Readonly<Record<string, number>> = {}): LabelFault {
  return problem(reason, 'knx', { field, params })
}
