// The face of admission.
export { EXAMPLES, readLabel, splitLabels, type Label, type LabelReading } from './labels/index.ts'
export type { Admission, AdmissionOptions } from './face.ts'
export { createAdmission } from './service.ts'
export type { DeviceList } from './device-link.ts'
export * from './types.ts'
