// What the window and the command line see: rows of the feeds and the values that ops take and give.
// Times are milliseconds since the Unix epoch.
export * from './model/states.ts'
export * from './model/session.ts'
export * from './model/overview.ts'
export * from './model/devices.ts'
export * from './model/device-import.ts'
export * from './model/groups.ts'
export * from './model/jobs.ts'
export * from './model/group-tests.ts'
export * from './model/handover.ts'
export * from './model/records.ts'
