// Control characters as scanners give them: as they are, as names in brackets, as the pictures of Unicode.
const SPELLED: ReadonlyArray<readonly [RegExp, string]> = [
  [/<GS>|\{GS\}|\[GS\]|␝|\^\]|<FNC1>|\{FNC1\}|\[FNC1\]/gi, '\u001d'],
  [/<RS>|\{RS\}|\[RS\]|␞|\^\^/gi, '\u001e'],
  [/<EOT>|\{EOT\}|\[EOT\]|␄|\^D(?=$)/gi, '\u0004'],
]

export const GS = '\u001d'
export const RS = '\u001e'
export const EOT = '\u0004'

export function withControls(text: string): string {
  return SPELLED.reduce((done, [pattern, sign]) => done.replace(pattern, sign), text)
}
