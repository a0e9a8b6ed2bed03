// Certificates and names.
export { Certificate, type Extension, KeyUsage, tryCertificate } from './certificate.ts'
export { buildName, type GeneralName, generalNameText, nameText, parseNameText } from './names.ts'
export { PathValidator, type PathVerdict } from './path.ts'
export { readCrl, readCertificationRequest, type CertificateList, type CertificationRequest } from './requests.ts'
export { type CertificatePlan, extensionOf, keyIdOf, writeCertificate } from './write.ts'
