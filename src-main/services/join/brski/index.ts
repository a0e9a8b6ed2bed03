// BRSKI over CoAP and DTLS (draft-ietf-anima-constrained-voucher §6).
export type { BrskiAccess, BrskiCaller, VoucherProvider } from './access.ts'
export { type BrskiOptions, serveBrski } from './resources.ts'
export { readStatusReport, type StatusReport, writeStatusReport } from './telemetry.ts'
