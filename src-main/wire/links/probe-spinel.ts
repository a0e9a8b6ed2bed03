// The one Spinel frame that probing reads: PROP_VALUE_IS CAPS, and what it says about the firmware.

const COMMAND_IS = 6
const PROPERTY_CAPS = 5
const CAP_CONFIG_FTD = 0x20
const CAP_CONFIG_MTD = 0x21
const CAP_CONFIG_RADIO = 0x22

export interface SpinelCapabilities {
  readonly values: readonly number[]
  readonly firmware: 'spinel-ncp' | 'spinel-rcp'
}

/** Undefined for every other frame. A device with a Thread stack says CONFIG_FTD or CONFIG_MTD; a radio alone CONFIG_RADIO. */
export function readCapabilities(frame: Uint8Array): SpinelCapabilities | undefined {
  if (frame.length < 3 || ((frame[0] ?? 0) & 0xc0) !== 0x80 || frame[1] !== COMMAND_IS || frame[2] !== PROPERTY_CAPS) return undefined
  const values = packedUints(frame.subarray(3))
  if (values === undefined) return undefined
  if (values.includes(CAP_CONFIG_FTD) || values.includes(CAP_CONFIG_MTD)) return { values, firmware: 'spinel-ncp' }
  return values.includes(CAP_CONFIG_RADIO) ? { values, firmware: 'spinel-rcp' } : undefined
}

/** Seven bits a byte, low ones first, bit 7 set where more follow; at most three bytes each. */
function packedUints(bytes: Uint8Array): readonly number[] | undefined {
  const values: number[] = []
  let value = 0
  let shift = 0
  for (const byte of bytes) {
    value += (byte & 0x7f) << shift
    shift += 7
    if ((byte & 0x80) === 0) {
      values.push(value)
      value = 0
      shift = 0
    } else if (shift > 14) return undefined
  }
  return shift === 0 ? values : undefined
}
