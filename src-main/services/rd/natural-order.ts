// The order in which people look for names: `lamp-2` before `lamp-10`, whatever the case.

/** Numbers up to so many digits are compared by their value. */
const DIGITS = 12

/** A text that stands in the plain order of texts where the name stands in theirs: made once, compared many times. */
export function naturalKey(name: string): string {
  return name.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(DIGITS, '0'))
}
