// The face of rd: the CoRE Resource Directory (RFC 9176).
export { createResourceDirectory } from './create.ts'
export type * from './operator-types.ts'
export {
  decodeDirectoryAddressOption,
  describeDirectoryAddressOption,
  encodeDirectoryAddressOption,
  type DirectoryAddressOption,
} from './rdao.ts'
export * from './registrant.ts'
export type * from './types.ts'
