// What the words of a device list mean, in English and German: column headings and device types.
import type { DeviceType, ImportField, ImportMapping } from '#contract/model.ts'

const HEADINGS: Readonly<Record<ImportField, readonly string[]>> = {
  name: ['name', 'device name', 'device', 'label', 'bezeichnung', 'gerät', 'gerätename', 'geraet', 'geraetename'],
  type: ['type', 'device type', 'kind', 'typ', 'gerätetyp', 'geraetetyp', 'art'],
  room: ['room', 'room path', 'location', 'place', 'raum', 'raumpfad', 'ort', 'standort'],
  eui64: ['eui64', 'eui', 'extended address', 'ieee address', 'mac', 'mac address', 'mac adresse', 'macadresse'],
  serial: ['serial', 'serial number', 'serial no', 'sn', 's/n', 'seriennummer', 'serien nr', 'seriennr', 'serialnumber'],
  groups: ['groups', 'group', 'application groups', 'gruppen', 'gruppe'],
  comment: ['comment', 'comments', 'note', 'notes', 'remark', 'remarks', 'bemerkung', 'bemerkungen', 'kommentar', 'notiz'],
}

const TYPES: Readonly<Record<DeviceType, readonly string[]>> = {
  luminaire: ['luminaire', 'light', 'lamp', 'lighting', 'downlight', 'panel', 'leuchte', 'lampe', 'licht'],
  switch: ['switch', 'wall switch', 'push button', 'button', 'schalter', 'taster', 'wandschalter', 'lichtschalter'],
  'presence-sensor': [
    'presence sensor',
    'presence',
    'presence detector',
    'motion sensor',
    'motion detector',
    'occupancy sensor',
    'pir',
    'präsenzmelder',
    'praesenzmelder',
    'bewegungsmelder',
    'präsenz',
  ],
  blind: ['blind', 'blinds', 'shade', 'shutter', 'sunblind', 'jalousie', 'rollo', 'rollladen', 'raffstore', 'beschattung'],
  thermostat: ['thermostat', 'room thermostat', 'raumthermostat', 'raumtemperaturregler', 'heizkörperthermostat'],
  sensor: ['sensor', 'fühler', 'messfühler', 'fuehler'],
  actuator: ['actuator', 'actor', 'aktor', 'stellantrieb', 'relay', 'relais'],
  unknown: ['unknown', 'other', 'unbekannt', 'sonstiges', 'andere'],
}

/** Case, punctuation and repeated spaces do not count. */
function plain(text: string): string {
  return text
    .normalize('NFC')
    .toLowerCase()
    .replace(/[-_.:*()[\]\s]+/g, ' ')
    .trim()
}

function lookup<Word extends string>(words: Readonly<Record<Word, readonly string[]>>): ReadonlyMap<string, Word> {
  const entries = Object.entries<readonly string[]>(words).flatMap(([word, synonyms]) =>
    synonyms.map((synonym) => [plain(synonym), word] as const),
  )
  return new Map(entries.filter((entry): entry is readonly [string, Word] => Object.hasOwn(words, entry[1])))
}

const FIELD_BY_HEADING = lookup(HEADINGS)
const TYPE_BY_WORD = lookup(TYPES)

/** The field that a column heading names. */
export function headerField(heading: string): ImportField | undefined {
  const words = plain(heading)
  return FIELD_BY_HEADING.get(words) ?? (words === 'eui 64' ? 'eui64' : undefined)
}

/** The first column for each field that the headings name. */
export function mappingFor(headings: readonly string[]): ImportMapping {
  const mapping: ImportMapping = {}
  headings.forEach((heading, column) => {
    const field = headerField(heading)
    if (field !== undefined) mapping[field] ??= column
  })
  return mapping
}

export function typeFor(word: string): DeviceType | undefined {
  return TYPE_BY_WORD.get(plain(word))
}
