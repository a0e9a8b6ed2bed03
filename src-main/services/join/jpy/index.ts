export {
  decodeJpy,
  decodePlainHeader,
  encodeJpy,
  encodePlainHeader,
  isJpyFault,
  MAX_HEADER_BYTES,
  MAX_JPY_OVERHEAD_BYTES,
  type JpyFault,
  type JpyMessage,
  type JpyVersion,
  type PlainHeader,
} from './message.ts'
export { endpointOfUri, uriOfEndpoint } from './uri.ts'
