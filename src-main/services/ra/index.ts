// The face of ra: the local registration authority, its certification authority, and the CMP client.
export * from './ca/index.ts'
export * from './client/index.ts'
export * as asn1 from './der/index.ts'
export * from './engine/index.ts'
export * from './transfer/index.ts'
export * from './types.ts'
export * from './upstream/index.ts'
export * from './x509/index.ts'
