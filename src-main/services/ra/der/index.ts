// DER, read and written.
export * from './oids.ts'
export * from './reader.ts'
export * from './values.ts'
export * from './writer.ts'
