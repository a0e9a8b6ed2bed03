// Admission: who may join the site, how far each joining device has come, labels, and vouchers. Never a label's secret.
import { z } from 'zod'
import { deviceType, timeMs } from './states.ts'

/** `listed`: listed devices at once while the window is open, others wait; `ask`: everybody waits for a decision; `closed`: nobody is let in. */
export const admissionMode = z.enum(['listed', 'ask', 'closed'])
export type AdmissionMode = z.infer<typeof admissionMode>

export const admissionPolicy = z.object({
  mode: admissionMode,
  /** Whether devices that nobody has listed may wait for a decision; else they are refused. */
  unlistedMayWait: z.boolean(),
  /** For how long the window is opened where nobody says otherwise. */
  windowMinutes: z.number().int().min(1).max(1440),
})
export type AdmissionPolicy = z.infer<typeof admissionPolicy>

/** The single row of the `admission` feed. */
export const admissionRow = z.object({
  key: z.literal('admission'),
  window: z.enum(['open', 'closed']),
  openedAt: timeMs.nullable(),
  /** When it closes by itself; the window counts down to it. Null while it is closed. */
  closesAt: timeMs.nullable(),
  policy: admissionPolicy,
  counts: z.object({
    /** Who waits for a person or for the window. */
    waiting: z.number().int(),
    joining: z.number().int(),
    failed: z.number().int(),
    enrolled: z.number().int(),
    denied: z.number().int(),
    /** Devices and labels that are let in while the window is open. */
    listed: z.number().int(),
    /** Of those, how many have not joined yet. */
    missing: z.number().int(),
  }),
  /** Strangers whose rows were dropped because too many knocked. */
  dropped: z.number().int(),
  /** Another number whenever the list of who is expected, or of who is refused, has changed. */
  listVersion: z.number().int(),
  /** Whether vouchers can be imported: a registrar runs. */
  vouchersReady: z.boolean(),
  /** Whether secrets of labels can be kept: the keyring is open. */
  secretsReady: z.boolean(),
})
export type AdmissionRow = z.infer<typeof admissionRow>

/** In the order in which a device goes through them; some devices leave some out. */
export const joinStepName = z.enum([
  'seen',
  'connected',
  'admitted',
  'voucher',
  'trusts-us',
  'anchors',
  'certificate',
  'enrolled',
  'secured',
])
export type JoinStepWord = z.infer<typeof joinStepName>

/** `running`: under way, nothing heard of its end yet. */
export const joinStepOutcome = z.enum(['running', 'done', 'waiting', 'failed'])
export type JoinStepOutcome = z.infer<typeof joinStepOutcome>

/** What a person can do about it; the window turns each into a sentence and, where an op does it, a button. */
export const joinAction = z.enum([
  'open-window',
  'admit',
  'deny',
  'undeny',
  'change-policy',
  'import-maker',
  'import-voucher',
  'scan-label',
  'assign-device',
  'replace-device',
  'resolve-duplicate',
  'approve-request',
  'create-authority',
  'unlock-keys',
  'check-network',
  'check-clock',
  'power-cycle',
  'wait',
])
export type JoinAction = z.infer<typeof joinAction>

/** Which lane a device is in. */
export const pledgeState = z.enum(['waiting', 'joining', 'enrolled', 'failed', 'denied'])
export type PledgeState = z.infer<typeof pledgeState>

export const pledgeStep = z.object({
  /** 1 is `seen`. */
  number: z.number().int(),
  step: joinStepName,
  outcome: joinStepOutcome,
  startedAt: timeMs,
  /** Null while it runs or waits. */
  endedAt: timeMs.nullable(),
})
export type PledgeStep = z.infer<typeof pledgeStep>

/** A row of the `pledges` feed: a device that has asked to join, by its manufacturer's certificate. */
export const pledgeRow = z.object({
  /** Hex SHA-256 of its manufacturer's certificate: the same at every attempt. */
  key: z.string(),
  serialNumber: z.string().nullable(),
  eui64: z.string().nullable(),
  manufacturer: z.string(),
  /** Whether the certificate ends at a manufacturer that the site trusts: else its names prove nothing. */
  makerKnown: z.boolean(),
  /** The join proxy that it came by; null where it came directly. */
  proxy: z.string().nullable(),
  deviceId: z.string().nullable(),
  /** Who expects it: the device list, a scanned label, or nobody. */
  listed: z.enum(['device', 'label', 'no']),
  decision: z.enum(['none', 'by-list', 'by-person', 'denied']),
  state: pledgeState,
  step: joinStepName,
  outcome: joinStepOutcome,
  /** Since when it is at that step with that outcome. */
  since: timeMs,
  /** A failure code; null where all is well. */
  code: z.string().nullable(),
  detail: z.string().nullable(),
  /** What to do, the likeliest first. */
  actions: z.array(joinAction),
  /** The newest attempt. */
  steps: z.array(pledgeStep),
  attempts: z.number().int(),
  firstSeenAt: timeMs,
  lastSeenAt: timeMs,
})
export type PledgeRow = z.infer<typeof pledgeRow>

/** Why a device of the list is not this one, although some of its names fit. */
export const pledgeMatch = z.object({
  verdict: z.enum(['matched', 'unlisted', 'names-two-devices', 'name-differs', 'duplicate-in-list', 'joined-already']),
  deviceIds: z.array(z.string()),
  /** What the list says and what the device says, where they differ. */
  differences: z.array(z.object({ field: z.enum(['serial', 'eui64']), listed: z.string(), said: z.string() })),
})
export type PledgeMatch = z.infer<typeof pledgeMatch>

export const pledgeStepDetail = pledgeStep.extend({
  code: z.string().nullable(),
  detail: z.string().nullable(),
  actions: z.array(joinAction),
  /** Until `endedAt`, or until now. */
  elapsedMs: z.number().int().nonnegative(),
})
export type PledgeStepDetail = z.infer<typeof pledgeStepDetail>

export const pledgeDetail = z.object({
  pledge: pledgeRow,
  match: pledgeMatch,
  /** Who decided, when, and why where it was refused. */
  decision: z.object({ by: z.string(), at: timeMs, reason: z.string().nullable(), until: timeMs.nullable() }).nullable(),
  certificateSerial: z.string().nullable(),
  /** Newest first, at most eight. */
  attempts: z.array(
    z.object({ number: z.number().int(), startedAt: timeMs, endedAt: timeMs.nullable(), steps: z.array(pledgeStepDetail) }),
  ),
})
export type PledgeDetail = z.infer<typeof pledgeDetail>

/** What became of one of many. */
export const admissionDecision = z.object({
  key: z.string(),
  ok: z.boolean(),
  /** A failure code where it could not be done. */
  code: z.string().nullable(),
})
export type AdmissionDecision = z.infer<typeof admissionDecision>

export const denialRow = z.object({
  /** A pledge's key, or a serial number or EUI-64. */
  subject: z.string(),
  reason: z.string(),
  by: z.string(),
  at: timeMs,
  deviceId: z.string().nullable(),
})
export type DenialRow = z.infer<typeof denialRow>

export const labelFormat = z.enum(['knx', 'thread', 'iso15418', 'gs1', 'matter-qr', 'matter-code', 'eui64', 'mac48', 'serial'])
export type LabelFormat = z.infer<typeof labelFormat>

/** What a label says. Its secrets are kept sealed; here stands only which there were. */
export const labelFacts = z.object({
  format: labelFormat,
  eui64: z.string().nullable(),
  serial: z.string().nullable(),
  maker: z.string().nullable(),
  /** Product or type number. */
  product: z.string().nullable(),
  secrets: z.array(z.enum(['password', 'joining-credential', 'passcode'])),
})
export type LabelFacts = z.infer<typeof labelFacts>

/** What is wrong with a text that is no label; `label.problem.<reason>`. */
export const labelProblem = z.object({
  reason: z.enum([
    'empty',
    'too-long',
    'unknown-form',
    'incomplete',
    'not-hex',
    'wrong-length',
    'wrong-checksum',
    'not-an-eui64',
    'contradiction',
    'no-identity',
    'bad-characters',
  ]),
  /** The format that it comes nearest to. */
  format: labelFormat.nullable(),
  field: z.string().nullable(),
  /** How such a label looks. */
  example: z.string().nullable(),
  params: z.record(z.string(), z.union([z.string(), z.number()])),
})
export type LabelProblem = z.infer<typeof labelProblem>

export const scanResult = z.object({
  /** Which of the texts, from 0. */
  index: z.number().int(),
  label: labelFacts.nullable(),
  problem: labelProblem.nullable(),
  /**
   * `listed`: a planned device is expected by it now; `listed-unplanned`: expected, though no device is planned for it; `created`: a device
   * was planned with it; `assigned`: it became the label of the device that was named; `already-listed`: expected already; `already-joined`;
   * `waiting-admitted`: it waits already and is let in; `denied`: on the deny list; `mismatch`: the named device has another label;
   * `told`: understood, nothing done; `unreadable`: see `problem`.
   */
  outcome: z.enum([
    'listed',
    'listed-unplanned',
    'created',
    'assigned',
    'already-listed',
    'already-joined',
    'waiting-admitted',
    'denied',
    'mismatch',
    'told',
    'unreadable',
  ]),
  deviceId: z.string().nullable(),
  /** Of the list; `admission.unlist` takes it back. */
  entryId: z.string().nullable(),
  pledgeKey: z.string().nullable(),
  /** Whether the secrets of the label were kept. */
  secretsKept: z.boolean(),
})
export type ScanResult = z.infer<typeof scanResult>

/** Who is expected: a scanned label. Devices of the device list are expected without standing here. */
export const listEntryRow = z.object({
  id: z.string(),
  label: labelFacts,
  deviceId: z.string().nullable(),
  pledgeKey: z.string().nullable(),
  joined: z.boolean(),
  by: z.string(),
  at: timeMs,
})
export type ListEntryRow = z.infer<typeof listEntryRow>

export const newDeviceFromLabel = z.object({ type: deviceType, roomId: z.string().min(1).max(80).nullable() })

export const voucherRow = z.object({
  id: z.string(),
  serialNumber: z.string(),
  /** Subject of whoever signed it. */
  signer: z.string(),
  source: z.enum(['file', 'maker']),
  /** Bound to one attempt; else it serves until it ends. */
  hasNonce: z.boolean(),
  createdAt: timeMs.nullable(),
  expiresAt: timeMs.nullable(),
  receivedAt: timeMs,
  usedAt: timeMs.nullable(),
  state: z.enum(['valid', 'expired', 'not-yet-valid', 'unusable']),
  code: z.string().nullable(),
})
export type VoucherRow = z.infer<typeof voucherRow>

export const voucherImport = z.object({
  fileName: z.string(),
  ok: z.boolean(),
  code: z.string().nullable(),
  detail: z.string().nullable(),
  voucher: voucherRow.nullable(),
  /** Whether it took the place of an older one for the same device. */
  replaced: z.boolean(),
})
export type VoucherImport = z.infer<typeof voucherImport>
