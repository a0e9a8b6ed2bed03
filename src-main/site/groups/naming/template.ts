// Names of groups made from rooms by the site's template: `{building}-{floor}-{room}-{function}`.
import type { RoomKind } from '#contract/model.ts'

export interface TemplateFacts {
  /** From the room upwards. */
  readonly rooms: ReadonlyArray<{ readonly name: string; readonly kind: RoomKind }>
  /** The short word for what the devices do. */
  readonly function: string
}

/** The name; undefined where a part that the template asks for is missing, so that another name has to be found. */
export function renderName(
  template: string,
  { rooms, function: word }: TemplateFacts,
  clean: (text: string) => string,
): string | undefined {
  const [room] = rooms
  if (template === '' || room === undefined) return undefined
  const nameOf = (kind: RoomKind): string | undefined => rooms.find((each) => each.kind === kind)?.name
  const parts: Readonly<Record<string, string | undefined>> = {
    building: nameOf('building'),
    floor: nameOf('floor'),
    room: room.name,
    number: /^\S*\d\S*/.exec(room.name.trim())?.[0] ?? room.name,
    function: word,
  }
  const missing = [...template.matchAll(/\{(\w+)\}/g)].some(([, key = '']) => parts[key] === undefined)
  if (missing) return undefined
  const name = template.replace(/\{(\w+)\}/g, (_, key: string) => clean(parts[key] ?? ''))
  return name.trim() === '' ? undefined : name.trim()
}
