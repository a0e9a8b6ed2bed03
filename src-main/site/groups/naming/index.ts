// The face of naming.
export * from './naming.ts'
export { framesOf, previewOf } from './preview.ts'
export { renderName, type TemplateFacts } from './template.ts'
