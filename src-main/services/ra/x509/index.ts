// Certificates and names.
export {
  type AlgorithmIdentifier,
  encodeAlgorithm,
  hashAlgorithm,
  hashOf,
  readAlgorithm,
  schemeOf,
  signatureAlgorithmOf,
} from './algorithms.ts'
export { Certificate, type Extension, KeyUsage, tryCertificate } from './certificate.ts'
export { attributeOf, buildName, type GeneralName, generalNameText, nameText, parseNameText, sameName } from './names.ts'
export { PathValidator, type PathVerdict } from './path.ts'
export { readCrl, readCertificationRequest, type CertificateList, type CertificationRequest } from './requests.ts'
export { type CertificatePlan, extensionOf, keyIdOf, writeCertificate } from './write.ts'
