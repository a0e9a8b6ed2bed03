// The face of devices.
export * from './profile.ts'
export * from './types.ts'
