// Thread: `v=1&&eui=<EUI-64>&&cc=<joining credential>`, alone or before a KNX code (Thread 1.1 §8.4.1.1; knx-iot.github.io, QR codes).
import { readEui64 } from './eui.ts'
import { knxFields } from './knx.ts'
import { label, problem, type LabelReading } from './types.ts'

/** A PSKd: base 32 of Thread, which has no I, O, Q and Z. */
const CREDENTIAL = /^[0-9A-HJ-NPR-Y]{6,32}$/

export function readThread(text: string): LabelReading {
  const [head, knx] = splitKnx(text.trim())
  const fields = new Map<string, string>()
  for (const part of head.split(/&+/)) {
    if (part.trim() === '') continue
    const equals = part.indexOf('=')
    if (equals < 1) return problem('incomplete', 'thread')
    const name = part.slice(0, equals).trim().toLowerCase()
    if (fields.has(name)) return problem('contradiction', 'thread', { field: name })
    fields.set(name, part.slice(equals + 1).trim())
  }
  const version = fields.get('v')
  if (version !== undefined && version !== '1') return problem('unknown-form', 'thread', { field: 'v' })
  const written = fields.get('eui')
  if (written === undefined || written === '') return problem('incomplete', 'thread', { field: 'eui' })
  const eui64 = readEui64(written)
  if (eui64 === undefined) return problem('not-an-eui64', 'thread', { field: 'eui', params: { length: written.length } })
  const joiningCredential = fields.get('cc')
  if (joiningCredential !== undefined && !CREDENTIAL.test(joiningCredential)) return problem('bad-characters', 'thread', { field: 'cc' })
  const own = joiningCredential === undefined ? {} : { joiningCredential }
  if (knx === undefined) return label({ format: 'thread', eui64, secrets: own })
  const found = knxFields(knx)
  return 'kind' in found ? found : label({ ...found, eui64, secrets: { ...own, ...found.secrets } })
}

function splitKnx(text: string): readonly [string, string?] {
  const at = text.toUpperCase().indexOf('KNX:')
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at)]
}
