// What the window and the command line see: rows of the feeds and the values that ops take and give.
// Times are milliseconds since the Unix epoch. Imports zod only.
import { z } from 'zod'

export const timeMs = z.number().int().nonnegative()
const shortText = z.string().trim().min(1).max(120)

// ---- States ------------------------------------------------------------------------------------------------------

/** What is known of an effect on the network: what was sent is never shown as done. */
export const outcome = z.enum(['planned', 'sent', 'confirmed', 'failed', 'unknown'])
export type Outcome = z.infer<typeof outcome>

/** The life of a device. `joining` and `enrolled` are reached by admission only. */
export const deviceState = z.enum(['planned', 'expected', 'seen', 'joining', 'enrolled', 'configured', 'verified', 'faulty'])
export type DeviceState = z.infer<typeof deviceState>

/** Who or what a fact comes from. */
export const factSource = z.enum(['operator', 'import', 'discovery', 'registration', 'apply', 'verify', 'test'])
export type FactSource = z.infer<typeof factSource>

export const deviceType = z.enum(['luminaire', 'switch', 'presence-sensor', 'blind', 'thermostat', 'sensor', 'actuator', 'unknown'])
export type DeviceType = z.infer<typeof deviceType>

export const roomKind = z.enum(['building', 'floor', 'room', 'zone'])
export type RoomKind = z.infer<typeof roomKind>

/** A failure as it is kept with a device, an item or a line. */
export const failure = z.object({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  details: z.record(z.string(), z.unknown()),
})
export type Failure = z.infer<typeof failure>

// ---- Session -----------------------------------------------------------------------------------------------------

export const siteKind = z.enum(['demo', 'network'])
export type SiteKind = z.infer<typeof siteKind>

export const demoOptions = z.object({
  devices: z.number().int().min(1).max(10_000),
  lossPercent: z.number().min(0).max(90),
  seed: z.number().int().nonnegative(),
})
export type DemoOptions = z.infer<typeof demoOptions>

export const networkOptions = z.object({
  /** Local IP address that the CoAP endpoint binds to; loopback unless the installer chose an interface. */
  bindAddress: z.string().min(1).max(64),
  coapPort: z.number().int().min(0).max(65_535),
})
export type NetworkOptions = z.infer<typeof networkOptions>

export const siteDetails = z.object({
  name: shortText,
  organisation: z.string().max(120),
  address: z.string().max(240),
  operator: z.string().max(120),
})
export type SiteDetails = z.infer<typeof siteDetails>

export const listeningAddress = z.object({
  scheme: z.enum(['coap']),
  address: z.string(),
  port: z.number().int(),
  channel: z.string(),
})
export type ListeningAddress = z.infer<typeof listeningAddress>

/** The single row of the `session` feed. */
export const sessionRow = z.object({
  key: z.literal('session'),
  version: z.string(),
  host: z.enum(['electron', 'browser', 'cli']),
  site: z
    .object({
      id: z.string(),
      kind: siteKind,
      fileName: z.string(),
      details: siteDetails,
      createdAt: timeMs,
      /** Grows with every change of the project; exports name it. */
      revision: z.number().int(),
      demo: demoOptions.nullable(),
    })
    .nullable(),
  network: z.object({
    state: z.enum(['off', 'starting', 'up', 'failed']),
    failure: failure.nullable(),
    listening: z.array(listeningAddress),
  }),
})
export type SessionRow = z.infer<typeof sessionRow>

/** A site that was open before, or that lies in the sites folder; `handle` stands for its path. */
export const recentSite = z.object({
  handle: z.string(),
  name: z.string(),
  fileName: z.string(),
  kind: siteKind.nullable(),
  openedAt: timeMs.nullable(),
  exists: z.boolean(),
})
export type RecentSite = z.infer<typeof recentSite>

export const locale = z.enum(['en', 'de'])
/** The single row of the `preferences` feed, kept outside the site. */
export const preferencesRow = z.object({
  key: z.literal('preferences'),
  locale: locale.nullable(),
  theme: z.enum(['system', 'light', 'dark']),
  density: z.enum(['normal', 'touch']),
  /** Free-form view settings by name, e.g. column sets. */
  views: z.record(z.string(), z.string().max(20_000)),
})
export type PreferencesRow = z.infer<typeof preferencesRow>

// ---- The rail, checks and problems -------------------------------------------------------------------------------

export const step = z.enum(['site', 'devices', 'groups', 'apply', 'test', 'handover'])
export type Step = z.infer<typeof step>

/** Open work of one step of the rail: `open` 0 with `total` > 0 is done. */
export const progressRow = z.object({ step, open: z.number().int(), total: z.number().int() })
export type ProgressRow = z.infer<typeof progressRow>

export const checkId = z.enum(['site-file', 'backup', 'disk-space', 'clock', 'network', 'multicast', 'directory', 'report-printer'])
export type CheckId = z.infer<typeof checkId>

export const checkRow = z.object({
  check: checkId,
  verdict: z.enum(['running', 'ok', 'warning', 'failed']),
  /** Selects the sentence that explains the verdict: `preflight.<check>.<finding>`. */
  finding: z.string(),
  params: z.record(z.string(), z.union([z.string(), z.number()])),
  at: timeMs,
})
export type CheckRow = z.infer<typeof checkRow>

export const problemKind = z.enum([
  'duplicate-name',
  'group-without-members',
  'device-without-room',
  'device-without-group',
  'device-missing',
  'device-faulty',
  'device-without-profile',
  'apply-failed',
  'test-failed',
  'check-failed',
])
export type ProblemKind = z.infer<typeof problemKind>

export const problemRow = z.object({
  id: z.string(),
  kind: problemKind,
  severity: z.enum(['error', 'warning', 'info']),
  step,
  /** What it concerns, to jump to. */
  subject: z.object({ kind: z.enum(['device', 'group', 'room', 'job', 'check', 'site']), id: z.string(), name: z.string() }),
  params: z.record(z.string(), z.union([z.string(), z.number()])),
})
export type ProblemRow = z.infer<typeof problemRow>

// ---- Rooms and devices -------------------------------------------------------------------------------------------

export const roomRow = z.object({
  id: z.string(),
  parentId: z.string().nullable(),
  kind: roomKind,
  name: shortText,
  position: z.number().int(),
})
export type RoomRow = z.infer<typeof roomRow>

export const deviceRow = z.object({
  id: z.string(),
  name: shortText,
  type: deviceType,
  roomId: z.string().nullable(),
  state: deviceState,
  stateAt: timeMs,
  stateSource: factSource,
  eui64: z.string().nullable(),
  serial: z.string().nullable(),
  model: z.string().nullable(),
  profileId: z.string().nullable(),
  /** Endpoint name of its registration, when it registered. */
  endpointName: z.string().nullable(),
  /** `[address]:port` that it is reached at. */
  address: z.string().nullable(),
  lastHeardAt: timeMs.nullable(),
  /** Number of application groups that it shall be in. */
  groups: z.number().int(),
  comment: z.string(),
})
export type DeviceRow = z.infer<typeof deviceRow>

export const deviceResource = z.object({
  href: z.string(),
  attributes: z.array(z.object({ name: z.string(), value: z.string().nullable() })),
})
export const deviceEvent = z.object({
  at: timeMs,
  source: factSource,
  /** Selects the sentence: `history.<event>`. */
  event: z.string(),
  params: z.record(z.string(), z.union([z.string(), z.number()])),
  failure: failure.nullable(),
})
export type DeviceResource = z.infer<typeof deviceResource>
export type DeviceEvent = z.infer<typeof deviceEvent>

export const deviceDetail = z.object({
  id: z.string(),
  resources: z.array(deviceResource),
  /** Newest first, at most 200. */
  history: z.array(deviceEvent),
})
export type DeviceDetail = z.infer<typeof deviceDetail>

/** The single row of the `discovery` feed. */
export const discoveryRow = z.object({
  key: z.literal('discovery'),
  state: z.enum(['idle', 'running']),
  startedAt: timeMs.nullable(),
  deadlineAt: timeMs.nullable(),
  /** Devices heard in the newest run, and those of them that were not known before. */
  heard: z.number().int(),
  added: z.number().int(),
  failure: failure.nullable(),
})
export type DiscoveryRow = z.infer<typeof discoveryRow>

// ---- Import of a device list -------------------------------------------------------------------------------------

export const importField = z.enum(['name', 'type', 'room', 'eui64', 'serial', 'groups', 'comment'])
export type ImportField = z.infer<typeof importField>
/** Column index of the file for each field; fields without a column are absent. */
export const importMapping = z.partialRecord(importField, z.number().int().nonnegative())
export type ImportMapping = z.infer<typeof importMapping>

export const importReason = z.object({
  field: importField.nullable(),
  /** Selects the sentence: `import.reason.<reason>`. */
  reason: z.enum([
    'missing',
    'not-an-eui64',
    'unknown-type',
    'too-long',
    'duplicate-in-file',
    'no-identifier',
    'ambiguous',
    'bad-quotes',
    'group-name-invalid',
  ]),
  params: z.record(z.string(), z.union([z.string(), z.number()])),
})
export type ImportReason = z.infer<typeof importReason>

export const importRow = z.object({
  /** 1-based line of the file where the row begins. */
  line: z.number().int(),
  verdict: z.enum(['new', 'changed', 'unchanged', 'duplicate', 'invalid']),
  values: z.partialRecord(importField, z.string()),
  reasons: z.array(importReason),
  /** For `changed`: the fields that would change. */
  changes: z.array(z.object({ field: importField, from: z.string(), to: z.string() })),
})
export type ImportRow = z.infer<typeof importRow>

export const importPreview = z.object({
  delimiter: z.string(),
  columns: z.array(z.string()),
  /** First rows of the file as they are, for the mapping pane. */
  sample: z.array(z.array(z.string())),
  mapping: importMapping,
  rows: z.array(importRow),
  counts: z.object({
    new: z.number().int(),
    changed: z.number().int(),
    unchanged: z.number().int(),
    duplicate: z.number().int(),
    invalid: z.number().int(),
  }),
})
export type ImportPreview = z.infer<typeof importPreview>

/** A cell corrected in the dry run. */
export const importEdit = z.object({ line: z.number().int(), field: importField, value: z.string().max(500) })
export type ImportEdit = z.infer<typeof importEdit>

// ---- Groups ------------------------------------------------------------------------------------------------------

export const multicastScope = z.enum(['link-local', 'realm-local', 'admin-local', 'site-local', 'organization-local', 'global', 'ipv4'])
export type MulticastScope = z.infer<typeof multicastScope>

/** How requests are addressed: draft-ietf-core-groupcomm-bis §2.1.1. */
export const coapGroupRow = z.object({
  id: z.string(),
  name: shortText,
  address: z.string(),
  port: z.number().int(),
  scope: multicastScope,
  /** `coap://[address]:port`, without the default port. */
  uri: z.string(),
  /** Whether the tool chose the address. */
  allocated: z.boolean(),
})
export type CoapGroupRow = z.infer<typeof coapGroupRow>

/** Who reacts: draft-ietf-core-groupcomm-bis §2.1.2. */
export const applicationGroupRow = z.object({
  id: z.string(),
  name: shortText,
  coapGroupId: z.string(),
  roomId: z.string().nullable(),
  comment: z.string(),
  /** Group URI with the application group in its path. */
  uri: z.string(),
  /** Members that it shall have, and how many of them are confirmed as it is now. */
  members: z.number().int(),
  confirmed: z.number().int(),
})
export type ApplicationGroupRow = z.infer<typeof applicationGroupRow>

/** A cell of the matrix: desired or still applied membership of a device in an application group. */
export const membershipRow = z.object({
  /** `<deviceId> <groupId>` */
  key: z.string(),
  deviceId: z.string(),
  groupId: z.string(),
  desired: z.boolean(),
  outcome,
  at: timeMs,
  source: factSource,
  failure: failure.nullable(),
})
export type MembershipRow = z.infer<typeof membershipRow>

export const membershipChange = z.object({ deviceId: z.string(), groupId: z.string(), desired: z.boolean() })
export type MembershipChange = z.infer<typeof membershipChange>

// ---- Plan and jobs -----------------------------------------------------------------------------------------------

/** One difference between what the project wants and what a device has. */
export const planLine = z.object({
  /** The key of the membership it brings about. */
  id: z.string(),
  change: z.enum(['add', 'update', 'remove']),
  deviceId: z.string(),
  deviceName: z.string(),
  groupId: z.string(),
  groupName: z.string(),
  /** Group URI that the device shall listen to (or stops listening to). */
  uri: z.string(),
  /** The last attempt's failure. */
  failure: failure.nullable(),
  /** Why it cannot be run now, if so. */
  blocked: z.enum(['not-seen', 'no-profile']).nullable(),
})
export type PlanLine = z.infer<typeof planLine>

export const jobKind = z.enum(['apply', 'verify', 'identify'])
export type JobKind = z.infer<typeof jobKind>
export const jobState = z.enum(['running', 'paused', 'done', 'cancelled'])
export type JobState = z.infer<typeof jobState>
export const itemState = z.enum(['pending', 'running', 'ok', 'warning', 'failed', 'skipped'])
export type ItemState = z.infer<typeof itemState>

export const jobRow = z.object({
  id: z.string(),
  kind: jobKind,
  title: z.string(),
  state: jobState,
  counts: z.record(itemState, z.number().int()),
  total: z.number().int(),
  createdAt: timeMs,
  finishedAt: timeMs.nullable(),
  /** Estimated time left in milliseconds while it runs. */
  remainingMs: z.number().nullable(),
  /** The job whose failed items this one tries again. */
  retryOf: z.string().nullable(),
})
export type JobRow = z.infer<typeof jobRow>

export const jobItemRow = z.object({
  /** `<jobId> <index>` */
  key: z.string(),
  jobId: z.string(),
  index: z.number().int(),
  /** What it works on: a plan line's id or a device's id. */
  subject: z.string(),
  label: z.string(),
  state: itemState,
  attempts: z.number().int(),
  at: timeMs.nullable(),
  failure: failure.nullable(),
})
export type JobItemRow = z.infer<typeof jobItemRow>

// ---- Group tests -------------------------------------------------------------------------------------------------

export const testAction = z.object({ id: z.string(), label: z.string(), members: z.number().int() })
export type TestAction = z.infer<typeof testAction>

/** What a member did: it answered, it changed without an answer, it did not, it cannot be reached, or it refused. */
export const memberVerdict = z.enum(['waiting', 'heard', 'silent-changed', 'not-changed', 'unreachable', 'rejected', 'unreadable'])
export type MemberVerdict = z.infer<typeof memberVerdict>

export const testMember = z.object({
  deviceId: z.string(),
  verdict: memberVerdict,
  /** Milliseconds from sending to the first answer. */
  answerMs: z.number().nullable(),
  /** In how many of the run's repeats it was heard. */
  heardCount: z.number().int(),
  /** Response code of a refusal, e.g. `4.04`. */
  code: z.string().nullable(),
  /** What a person saw, for what no reading can prove. */
  seen: z.boolean().nullable(),
})
export type TestMember = z.infer<typeof testMember>

export const testRunRow = z.object({
  id: z.string(),
  groupId: z.string(),
  groupName: z.string(),
  action: z.string(),
  state: z.enum(['sending', 'reading-back', 'done', 'failed']),
  startedAt: timeMs,
  finishedAt: timeMs.nullable(),
  repeats: z.number().int(),
  repeat: z.number().int(),
  uri: z.string(),
  messageBytes: z.number().int(),
  /** First to last answer, and their median, in milliseconds. */
  spreadMs: z.number().nullable(),
  medianMs: z.number().nullable(),
  members: z.array(testMember),
  failure: failure.nullable(),
})
export type TestRunRow = z.infer<typeof testRunRow>

// ---- Hand-over ---------------------------------------------------------------------------------------------------

export const exportFormat = z.enum(['json', 'yaml', 'csv', 'report-html', 'report-pdf', 'json-schema'])
export type ExportFormat = z.infer<typeof exportFormat>

export const exportRow = z.object({
  /** Stands for the file's path. */
  handle: z.string(),
  format: exportFormat,
  fileName: z.string(),
  bytes: z.number().int(),
  sha256: z.string(),
  at: timeMs,
  /** Site revision that it shows. */
  revision: z.number().int(),
})
export type ExportRow = z.infer<typeof exportRow>

export const checklistRow = z.object({
  item: z.enum(['devices-found', 'devices-placed', 'groups-have-members', 'changes-applied', 'groups-tested', 'no-failures', 'exported']),
  step,
  open: z.number().int(),
  total: z.number().int(),
})
export type ChecklistRow = z.infer<typeof checklistRow>

// ---- Directory and audit -----------------------------------------------------------------------------------------

export const registrationRow = z.object({
  id: z.string(),
  endpointName: z.string(),
  sector: z.string().nullable(),
  base: z.string(),
  lifetimeS: z.number().int(),
  registeredAt: timeMs,
  expiresAt: timeMs,
  links: z.string(),
})
export type RegistrationRow = z.infer<typeof registrationRow>

export const auditEntry = z.object({
  sequence: z.number().int(),
  at: timeMs,
  actor: z.string(),
  action: z.string(),
  details: z.record(z.string(), z.unknown()),
  hash: z.string(),
})
export type AuditEntry = z.infer<typeof auditEntry>
