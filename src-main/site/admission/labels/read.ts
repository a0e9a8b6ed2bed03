// One text, one label: finds out which form it has and reads it. Total: any text gives a label or says what is wrong.
import { isGs1, readGs1 } from './gs1.ts'
import { isIso15418, readIso15418 } from './iso15418.ts'
import { readKnx } from './knx.ts'
import { hasCodeGroups, isMatterCode, readMatterCode, readMatterQr } from './matter.ts'
import { readPlain } from './plain.ts'
import { withControls } from './separators.ts'
import { readThread } from './thread.ts'
import { label, LONGEST_LABEL, problem, type LabelReading, type Reading } from './types.ts'

/** Identifiers of symbologies that a scanner may put before what it read (ISO/IEC 15424); those that announce GS1 stay. */
const PLAIN_SYMBOLOGY = /^\](?:A\d|C[02]|d[013]|E\d|L\d|Q[0-2]|X0|z[0-9A-C])(?=.)/

export function readLabel(text: string): Reading {
  if (text.length > LONGEST_LABEL) return only(problem('too-long', null, { params: { most: LONGEST_LABEL, length: text.length } }))
  // A byte order mark and a wedge's suffix are no part of the label; GS and RS may be.
  const clean = withControls(text)
    .replace(/^[\ufeff\s]+|[\s\u0000]+$/g, '')
    .replace(PLAIN_SYMBOLOGY, '')
  if (clean === '') return only(problem('empty', null))
  const upper = clean.toUpperCase()
  if (upper.startsWith('KNX:')) return only(readKnx(clean))
  if (/^v\s*=|^eui\s*=.*&/i.test(clean)) return only(readThread(clean))
  if (upper.startsWith('MT:')) return only(readMatterQr(clean))
  if (hasCodeGroups(clean)) return only(readMatterCode(clean))
  if (isMatterCode(clean)) {
    const asSerial = label({ format: 'serial', serial: clean })
    return { first: readMatterCode(clean), otherwise: asSerial.kind === 'label' ? [asSerial.label] : [] }
  }
  if (isGs1(clean)) return only(readGs1(clean))
  if (isIso15418(clean)) return only(readIso15418(clean))
  return readPlain(clean)
}

/** A paste or a burst of a hand scanner: a label a line. */
export function splitLabels(text: string): readonly string[] {
  return text
    .split(/\r\n|[\n\r\u0085\u2028\u2029]|\u0004(?=.)/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

function only(first: LabelReading): Reading {
  return { first, otherwise: [] }
}
