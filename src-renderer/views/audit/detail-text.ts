// The details of an audit entry in one line. Pure.

/** `name: value` of each detail; lists in brackets, nothing for what is not there. */
export function detailText(details: Readonly<Record<string, unknown>>): string {
  return Object.entries(details)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${valueText(value)}`)
    .join(' · ')
}

function valueText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(valueText).join(', ')}]`
  if (typeof value === 'object' && value !== null) return `{${detailText(value as Readonly<Record<string, unknown>>)}}`
  return String(value)
}
