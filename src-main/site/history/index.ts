// The face of the journal of project edits.
export { createHistory, type History, type HistoryPorts } from './service.ts'
export * from './types.ts'
