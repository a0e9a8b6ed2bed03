// The room's face: room types and the rooms that have them.
export { createTemplates, type TemplateOptions } from './service.ts'
export type {
  ProtectionPort,
  TemplateProtection,
  TemplateRecord,
  Templates,
  TemplateStore,
  TemplateUse,
  TemplateUseGroup,
} from './types.ts'
