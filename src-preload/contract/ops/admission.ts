// Who may join: the admission window, decisions, labels, vouchers.
import { z } from 'zod'
import {
  admissionDecision,
  admissionPolicy,
  denialRow,
  listEntryRow,
  newDeviceFromLabel,
  pledgeDetail,
  scanResult,
  voucherImport,
  voucherRow,
} from '../model.ts'
import { done, id, nothing, page, search } from './common.ts'

const pledgeKey = z.string().regex(/^[0-9a-f]{64}$/)
/** A pledge's key, or a serial number or EUI-64. */
const subject = z.string().trim().min(4).max(128)
const MOST = 10_000
const MOST_FILES = 1000

export const admissionOps = {
  /** Opens the window, or moves its end; without minutes for as long as the policy says. */
  'admission.open': {
    in: z.object({ minutes: z.number().int().min(1).max(1440).optional() }),
    out: z.object({ closesAt: z.number().int() }),
  },
  'admission.close': { in: nothing, out: done },
  'admission.setPolicy': { in: admissionPolicy.partial(), out: done },
  /** The timeline of one device: its attempts, each step with its time, reason and what to do. */
  'admission.pledge': { in: z.object({ key: pledgeKey }), out: pledgeDetail },
  /** Lets them in, whatever the list and the window say; `unknownMakers`: those too whose manufacturer the site does not know. */
  'admission.admit': {
    in: z.object({ keys: z.array(pledgeKey).min(1).max(MOST), unknownMakers: z.boolean().default(false) }),
    out: z.array(admissionDecision),
  },
  /** Refuses them from now on, seen already or not. */
  'admission.deny': {
    in: z.object({ subjects: z.array(subject).min(1).max(MOST), reason: z.string().trim().min(1).max(200) }),
    out: z.array(admissionDecision),
  },
  'admission.undeny': { in: z.object({ subjects: z.array(subject).min(1).max(MOST) }), out: z.array(admissionDecision) },
  'admission.denied': { in: page.extend({ search }), out: z.object({ total: z.number().int(), rows: z.array(denialRow) }) },
  /** Takes devices that have asked to join off the screen, with their history; refused ones stay refused. */
  'admission.forget': { in: z.object({ keys: z.array(pledgeKey).min(1).max(MOST) }), out: z.object({ count: z.number().int() }) },
  /** The pledge is this device. `replace`: also where the device has joined with another certificate, or bears another label. */
  'admission.assign': { in: z.object({ key: pledgeKey, deviceId: id, replace: z.boolean().default(false) }), out: done },
  /** Reads labels, one or many in a text. What is unknown is only told, expected all the same, or planned as new devices. */
  'admission.scan': {
    in: z.object({
      text: z.string().max(200_000),
      unknown: z.enum(['tell', 'list', 'create']).default('list'),
      create: newDeviceFromLabel.optional(),
      /** The device that bears the label: for one label. */
      deviceId: id.optional(),
    }),
    out: z.object({ results: z.array(scanResult) }),
  },
  'admission.list': { in: page.extend({ search }), out: z.object({ total: z.number().int(), rows: z.array(listEntryRow) }) },
  /** Takes labels off the list: they are not expected any more, and their secrets are forgotten. */
  'admission.unlist': { in: z.object({ ids: z.array(id).min(1).max(MOST) }), out: z.object({ count: z.number().int() }) },
  'admission.importVouchers': {
    in: z.object({
      files: z
        .array(z.object({ fileName: z.string().min(1).max(255), base64: z.base64().max(200_000) }))
        .min(1)
        .max(MOST_FILES),
    }),
    out: z.array(voucherImport),
  },
  'admission.vouchers': { in: page.extend({ search }), out: z.object({ total: z.number().int(), rows: z.array(voucherRow) }) },
  'admission.removeVouchers': { in: z.object({ ids: z.array(id).min(1).max(MOST) }), out: z.object({ count: z.number().int() }) },
} as const
