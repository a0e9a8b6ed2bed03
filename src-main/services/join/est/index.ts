// EST over CoAP and DTLS (RFC 9148).
export type { EstAccess, EstCaller, EstNews, EstOperation, EstVerdict } from './access.ts'
export { anchorsOf, issuerOf } from './anchors.ts'
export { bindingsOf, type BindingPolicy, challengeOf } from './binding.ts'
export { decodeMultipart, encodeMultipart, EstFormat, type Part, readCertificates, readCertificatesOnly } from './formats.ts'
export {
  CsrAttribute,
  readCsrAttributes,
  readRequestAttributes,
  type RequestAttributes,
  type RequestPlan,
  writeCsrAttributes,
  writeRequest,
} from './request.ts'
export { type EstOptions, serveEst } from './resources.ts'
