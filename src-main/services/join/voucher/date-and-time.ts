// YANG's date-and-time (RFC 9911 §3, RFC 3339 §5.6) as milliseconds since 1970. Total: anything else is undefined.

const SHAPE = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/

export function fromDateAndTime(text: string): number | undefined {
  const match = text.length > 40 ? null : SHAPE.exec(text)
  if (match === null) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number)
  const [offsetHour, offsetMinute] = [Number(match[9] ?? 0), Number(match[10] ?? 0)]
  // A leap second is the first second of the next minute: nothing here needs to tell them apart.
  const inRange = year >= 100 && month >= 1 && month <= 12 && day >= 1 && hour <= 23 && minute <= 59 && second <= 60
  if (!inRange || offsetHour > 23 || offsetMinute > 59) return undefined
  const midnight = Date.UTC(year, month - 1, day)
  if (new Date(midnight).getUTCDate() !== day) return undefined
  const fraction = match[7] === undefined ? 0 : Math.floor(Number(`0.${match[7]}`) * 1000)
  const offset = (offsetHour * 60 + offsetMinute) * (match[8] === '-' ? -60_000 : 60_000)
  return midnight + ((hour * 60 + minute) * 60 + second) * 1000 + fraction - offset
}

/** In UTC, to the millisecond where there are any. */
export function toDateAndTime(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}
