// Times and durations in words. Pure.

const steps: ReadonlyArray<readonly [Intl.RelativeTimeFormatUnit, number]> = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
]

const formats = new Map<string, Intl.RelativeTimeFormat>()

function formatFor(locale: string): Intl.RelativeTimeFormat {
  const known = formats.get(locale)
  if (known !== undefined) return known
  const made = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'short' })
  formats.set(locale, made)
  return made
}

/** Less than five seconds, and times in the future by a clock's difference, are `justNow`. */
export function relativeTime(atMs: number, nowMs: number, locale: string, justNow: string): string {
  const seconds = Math.round((nowMs - atMs) / 1000)
  if (seconds < 5) return justNow
  const [unit, size] = steps.find(([, each]) => seconds >= each) ?? ['second', 1]
  return formatFor(locale).format(-Math.floor(seconds / size), unit)
}

/** `00:41`, `1:02:03`. */
export function clockDuration(ms: number): string {
  const total = Math.max(0, Math.ceil(ms / 1000))
  const two = (value: number): string => String(value).padStart(2, '0')
  const hours = Math.floor(total / 3600)
  const rest = `${two(Math.floor((total % 3600) / 60))}:${two(total % 60)}`
  return hours > 0 ? `${hours}:${rest}` : rest
}

const DAY_S = 86_400

/** Seconds that are left as days and hours from two days on, as a clock below; what is over stands at zero. */
export function timeLeft(seconds: number): { readonly days: number; readonly hours: number } | { readonly clock: string } {
  if (seconds < 2 * DAY_S) return { clock: clockDuration(seconds * 1000) }
  return { days: Math.floor(seconds / DAY_S), hours: Math.floor((seconds % DAY_S) / 3600) }
}
