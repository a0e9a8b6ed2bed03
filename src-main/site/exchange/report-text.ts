// The words of the report, in the languages that it is written in.
import type { MemberVerdict, DeviceState, DeviceType, Outcome, SecuritySuite } from '#contract/model.ts'

export type ReportLocale = 'en' | 'de'

export interface ReportText {
  readonly title: string
  readonly site: string
  readonly organisation: string
  readonly address: string
  readonly operator: string
  readonly date: string
  readonly revision: string
  readonly tool: string
  readonly dataSet: string
  readonly demo: string
  readonly summary: string
  readonly devices: string
  readonly groups: string
  readonly tests: string
  readonly issues: string
  readonly noIssues: string
  readonly noTests: string
  readonly noRoom: string
  readonly nothing: string
  readonly room: string
  readonly name: string
  readonly type: string
  readonly serial: string
  readonly model: string
  readonly state: string
  readonly group: string
  readonly members: string
  readonly confirmed: string
  readonly confirmedMembers: string
  readonly groupAddress: string
  readonly protection: string
  readonly unprotected: string
  readonly noSecFor: (reason: string) => string
  readonly securityGroups: string
  readonly noSecurityGroups: string
  readonly algorithms: string
  readonly modes: string
  readonly groupMode: string
  readonly pairwiseMode: string
  readonly protects: string
  readonly withNewestKeys: string
  readonly keyVersion: string
  readonly noKeys: string
  readonly suites: Readonly<Record<SecuritySuite, string>>
  readonly action: string
  readonly time: string
  readonly repeats: string
  readonly heard: string
  readonly median: string
  readonly spread: string
  readonly messageSize: string
  readonly results: string
  readonly seenBy: string
  readonly seenOtherwise: string
  readonly count: string
  readonly signatures: string
  readonly signedInstaller: string
  readonly signedOwner: string
  readonly placeAndDate: string
  readonly nameOfSigner: string
  readonly signedFor: string
  readonly asBuilt: string
  readonly groupSchedule: string
  readonly lastAddress: string
  readonly outOf: (part: string, whole: string) => string
  readonly withoutReservation: string
  readonly withReservation: (count: string) => string
  readonly stated: (devices: string, groups: string) => string
  readonly andMore: (count: string) => string
  readonly moreInFile: (count: string) => string
  readonly states: Readonly<Record<DeviceState, string>>
  readonly types: Readonly<Record<DeviceType, string>>
  readonly outcomes: Readonly<Record<Outcome, string>>
  readonly verdicts: Readonly<Record<MemberVerdict, string>>
  readonly issueKinds: {
    readonly deviceFaulty: string
    readonly deviceMissing: string
    readonly deviceWithoutRoom: string
    readonly groupWithoutMembers: string
    readonly groupNotTested: string
    readonly groupOutdated: string
    readonly groupOpen: string
    readonly groupNoSec: string
    readonly keysBehind: string
    readonly membership: string
    readonly removal: string
    readonly testFailed: string
  }
}

const en: ReportText = {
  title: 'Certificate of commissioning',
  site: 'Site',
  organisation: 'Organisation',
  address: 'Address',
  operator: 'Operator',
  date: 'Date of this report',
  revision: 'Project revision',
  tool: 'Made with',
  dataSet: 'Data set (SHA-256)',
  demo: 'Simulated demo site: no real devices were commissioned.',
  summary: 'Summary',
  devices: 'Devices',
  groups: 'Groups',
  tests: 'Test evidence',
  issues: 'Open issues',
  noIssues: 'None.',
  noTests: 'No group test was run.',
  noRoom: 'Without room',
  nothing: 'None',
  room: 'Room',
  name: 'Name',
  type: 'Type',
  serial: 'Serial number',
  model: 'Model',
  state: 'State',
  group: 'Group',
  members: 'Members',
  confirmed: 'Confirmed',
  confirmedMembers: 'Memberships confirmed by reading back',
  groupAddress: 'Multicast address and port',
  protection: 'Protection',
  unprotected: 'unprotected',
  noSecFor: (reason) => `NoSec, unprotected: ${reason}`,
  securityGroups: 'Security groups',
  noSecurityGroups: 'None: nothing that is sent to groups is protected.',
  algorithms: 'Algorithms',
  modes: 'Modes',
  groupMode: 'group',
  pairwiseMode: 'pairwise',
  protects: 'Protects',
  withNewestKeys: 'Members with the newest keys',
  keyVersion: 'Version of the keys, made',
  noKeys: 'no keys yet',
  suites: {
    standard: 'AES-CCM-16-64-128, EdDSA (Ed25519)',
    p256: 'AES-CCM-16-64-128, ES256 (P-256)',
    'long-tag': 'AES-CCM-16-128-128, EdDSA (Ed25519)',
    counter: 'A128CTR, EdDSA (Ed25519)',
  },
  action: 'Action',
  time: 'Time',
  repeats: 'Repeats',
  heard: 'Answered',
  median: 'Median',
  spread: 'Spread',
  messageSize: 'Message',
  results: 'Members that did not answer',
  seenBy: 'seen by a person',
  seenOtherwise: 'but a person saw that it did not follow',
  count: 'Count',
  signatures: 'Acceptance',
  signedInstaller: 'For the installer',
  signedOwner: 'For the owner',
  placeAndDate: 'Place, date, signature',
  nameOfSigner: 'Name in block letters',
  signedFor: 'The signatures are for the data set whose digest stands at the head of this certificate.',
  asBuilt: 'As-built list',
  groupSchedule: 'Group schedule',
  lastAddress: 'Last address',
  outOf: (part, whole) => `${part} of ${whole}`,
  withoutReservation: 'Commissioned without open points.',
  withReservation: (count) => `Commissioned with open points: ${count}, listed below.`,
  stated: (devices, groups) => `Devices configured and read back: ${devices}. Groups proven by their latest test: ${groups}.`,
  andMore: (count) => `… and ${count} more`,
  moreInFile: (count) => `… and ${count} more in the exported report`,
  states: {
    planned: 'planned',
    expected: 'expected',
    seen: 'seen',
    joining: 'joining',
    enrolled: 'enrolled',
    configured: 'configured',
    verified: 'verified',
    faulty: 'faulty',
  },
  types: {
    luminaire: 'Luminaire',
    switch: 'Switch',
    'presence-sensor': 'Presence sensor',
    blind: 'Blind',
    thermostat: 'Thermostat',
    sensor: 'Sensor',
    actuator: 'Actuator',
    unknown: 'Unknown',
  },
  outcomes: { planned: 'planned', sent: 'sent', confirmed: 'confirmed', failed: 'failed', unknown: 'unknown' },
  verdicts: {
    waiting: 'not asked',
    heard: 'answered',
    'silent-changed': 'silent, but changed',
    'not-changed': 'not changed',
    unreachable: 'unreachable',
    rejected: 'rejected',
    unreadable: 'cannot be read',
  },
  issueKinds: {
    deviceFaulty: 'Device is faulty',
    deviceMissing: 'Planned device was not found',
    deviceWithoutRoom: 'Device has no room',
    groupWithoutMembers: 'Group has no members',
    groupNotTested: 'Group was not tested',
    groupOutdated: 'Group was not tested since the last change',
    groupOpen: 'Group is unprotected, and nobody has chosen that',
    groupNoSec: 'Group is unprotected by choice, for the reason',
    keysBehind: 'Member does not have the newest keys',
    membership: 'Membership is not confirmed',
    removal: 'Removed from the group, but the device has not let go',
    testFailed: 'Latest test of the group did not succeed with',
  },
}

const de: ReportText = {
  title: 'Inbetriebnahmeprotokoll',
  site: 'Anlage',
  organisation: 'Organisation',
  address: 'Adresse',
  operator: 'Bearbeitet von',
  date: 'Datum dieses Protokolls',
  revision: 'Projektstand',
  tool: 'Erstellt mit',
  dataSet: 'Datensatz (SHA-256)',
  demo: 'Simulierte Demo-Anlage: Es wurden keine echten Geräte in Betrieb genommen.',
  summary: 'Übersicht',
  devices: 'Geräte',
  groups: 'Gruppen',
  tests: 'Prüfnachweise',
  issues: 'Offene Punkte',
  noIssues: 'Keine.',
  noTests: 'Es wurde keine Gruppe geprüft.',
  noRoom: 'Ohne Raum',
  nothing: 'Keine',
  room: 'Raum',
  name: 'Name',
  type: 'Typ',
  serial: 'Seriennummer',
  model: 'Modell',
  state: 'Zustand',
  group: 'Gruppe',
  members: 'Mitglieder',
  confirmed: 'Bestätigt',
  confirmedMembers: 'Mitgliedschaften, durch Zurücklesen bestätigt',
  groupAddress: 'Multicast-Adresse und Port',
  protection: 'Schutz',
  unprotected: 'ungeschützt',
  noSecFor: (reason) => `NoSec, ungeschützt: ${reason}`,
  securityGroups: 'Sicherheitsgruppen',
  noSecurityGroups: 'Keine: Nichts, was an Gruppen geht, ist geschützt.',
  algorithms: 'Verfahren',
  modes: 'Betriebsarten',
  groupMode: 'Gruppe',
  pairwiseMode: 'paarweise',
  protects: 'Schützt',
  withNewestKeys: 'Mitglieder mit neuesten Schlüsseln',
  keyVersion: 'Version der Schlüssel, erzeugt',
  noKeys: 'noch keine Schlüssel',
  suites: {
    standard: 'AES-CCM-16-64-128, EdDSA (Ed25519)',
    p256: 'AES-CCM-16-64-128, ES256 (P-256)',
    'long-tag': 'AES-CCM-16-128-128, EdDSA (Ed25519)',
    counter: 'A128CTR, EdDSA (Ed25519)',
  },
  action: 'Aktion',
  time: 'Zeitpunkt',
  repeats: 'Wiederholungen',
  heard: 'Geantwortet',
  median: 'Median',
  spread: 'Streuung',
  messageSize: 'Nachricht',
  results: 'Mitglieder ohne Antwort',
  seenBy: 'von einer Person gesehen',
  seenOtherwise: 'hat aber laut Augenschein nicht reagiert',
  count: 'Anzahl',
  signatures: 'Abnahme',
  signedInstaller: 'Für den Errichter',
  signedOwner: 'Für den Betreiber',
  placeAndDate: 'Ort, Datum, Unterschrift',
  nameOfSigner: 'Name in Druckbuchstaben',
  signedFor: 'Die Unterschriften gelten für den Datensatz, dessen Prüfsumme am Anfang dieses Protokolls steht.',
  asBuilt: 'Bestandsliste',
  groupSchedule: 'Gruppenverzeichnis',
  lastAddress: 'Letzte Adresse',
  outOf: (part, whole) => `${part} von ${whole}`,
  withoutReservation: 'Ohne offene Punkte in Betrieb genommen.',
  withReservation: (count) => `Mit offenen Punkten in Betrieb genommen: ${count}, unten aufgeführt.`,
  stated: (devices, groups) =>
    `Geräte eingerichtet und zurückgelesen: ${devices}. Gruppen durch ihre letzte Prüfung nachgewiesen: ${groups}.`,
  andMore: (count) => `… und ${count} weitere`,
  moreInFile: (count) => `… und ${count} weitere im exportierten Protokoll`,
  states: {
    planned: 'geplant',
    expected: 'erwartet',
    seen: 'gesehen',
    joining: 'tritt bei',
    enrolled: 'aufgenommen',
    configured: 'konfiguriert',
    verified: 'geprüft',
    faulty: 'gestört',
  },
  types: {
    luminaire: 'Leuchte',
    switch: 'Taster',
    'presence-sensor': 'Präsenzmelder',
    blind: 'Jalousie',
    thermostat: 'Raumthermostat',
    sensor: 'Sensor',
    actuator: 'Aktor',
    unknown: 'Unbekannt',
  },
  outcomes: { planned: 'geplant', sent: 'gesendet', confirmed: 'bestätigt', failed: 'fehlgeschlagen', unknown: 'unbekannt' },
  verdicts: {
    waiting: 'nicht gefragt',
    heard: 'geantwortet',
    'silent-changed': 'stumm, aber geschaltet',
    'not-changed': 'nicht geschaltet',
    unreachable: 'nicht erreichbar',
    rejected: 'abgelehnt',
    unreadable: 'nicht lesbar',
  },
  issueKinds: {
    deviceFaulty: 'Gerät ist gestört',
    deviceMissing: 'Geplantes Gerät wurde nicht gefunden',
    deviceWithoutRoom: 'Gerät hat keinen Raum',
    groupWithoutMembers: 'Gruppe hat keine Mitglieder',
    groupNotTested: 'Gruppe wurde nicht geprüft',
    groupOutdated: 'Gruppe wurde seit der letzten Änderung nicht geprüft',
    groupOpen: 'Gruppe ist ungeschützt, ohne dass es jemand gewählt hat',
    groupNoSec: 'Gruppe ist mit Absicht ungeschützt, aus dem Grund',
    keysBehind: 'Mitglied hat die neuesten Schlüssel nicht',
    membership: 'Mitgliedschaft ist nicht bestätigt',
    removal: 'Aus der Gruppe entfernt, das Gerät hat aber noch nicht losgelassen',
    testFailed: 'Letzte Prüfung der Gruppe ohne Erfolg bei',
  },
}

export const reportTexts: Readonly<Record<ReportLocale, ReportText>> = { en, de }
