// The face of the device-list import.
export * from './device-import.ts'
