// CertReqMessages (RFC 4211 §3 to §6): certificate templates, proofs of possession, and the controls that are heeded.
import {
  bitString,
  bitStringBytes,
  certificateTime,
  context,
  contextPrimitive,
  der,
  DerFields,
  elementsOf,
  explicit,
  implicit,
  integer,
  integerBytes,
  integerValue,
  invalidDer,
  Oid,
  oid,
  oidText,
  rawInteger,
  readDer,
  retag,
  sequence,
  Tag,
  timeValue,
  type Der,
} from '../der/index.ts'
import { encodeAlgorithm, readAlgorithm, type AlgorithmIdentifier } from '../x509/algorithms.ts'
import { readExtensions, type Extension } from '../x509/certificate.ts'
import { encodeGeneralName, readGeneralName, readName, type GeneralName } from '../x509/names.ts'
import { encodeExtensions } from '../x509/write.ts'

export interface CertTemplate {
  readonly version?: number
  /** Content of the INTEGER. */
  readonly serialNumber?: Uint8Array
  readonly signingAlg?: AlgorithmIdentifier
  readonly issuer?: Uint8Array
  readonly validity?: { readonly notBefore?: number; readonly notAfter?: number }
  readonly subject?: Uint8Array
  /** SubjectPublicKeyInfo; its algorithm alone, without bits, where the authority is to make the key. */
  readonly publicKey?: Uint8Array
  readonly extensions?: readonly Extension[]
}

export interface CertId {
  readonly issuer: GeneralName
  readonly serialNumber: Uint8Array
}

export type ProofOfPossession =
  | { readonly kind: 'raVerified' }
  | {
      readonly kind: 'signature'
      /** POPOSigningKeyInput as its SEQUENCE in DER, where it is there. */
      readonly input?: Uint8Array
      readonly algorithm: AlgorithmIdentifier
      readonly signature: Uint8Array
    }
  | { readonly kind: 'other'; readonly bytes: Uint8Array }

export interface AttributeTypeAndValue {
  readonly type: string
  readonly value: Uint8Array
}

export interface CertReqMsg {
  /** CertRequest as it came: what the proof of possession covers. */
  readonly requestBytes: Uint8Array
  readonly certReqId: number
  readonly template: CertTemplate
  readonly controls: readonly AttributeTypeAndValue[]
  readonly popo: ProofOfPossession | undefined
  readonly regInfo: readonly AttributeTypeAndValue[]
}

const MAX_ATTRIBUTES = 32

export function readTemplate(element: Der, tag: number = Tag.SEQUENCE): CertTemplate {
  const fields = new DerFields(element, tag)
  const version = fields.optional(contextPrimitive(0))
  const serial = fields.optional(contextPrimitive(1))
  const signing = fields.optional(context(2))
  const issuer = nameIn(fields.explicit(3))
  const validity = fields.optional(context(4))
  const subject = nameIn(fields.explicit(5))
  const key = fields.optional(context(6))
  fields.optional(contextPrimitive(7))
  fields.optional(contextPrimitive(8))
  const extensions = fields.optional(context(9))
  fields.end()
  return {
    ...(version === undefined ? {} : { version: integerValue(version, contextPrimitive(0)) }),
    ...(serial === undefined ? {} : { serialNumber: integerBytes(serial, contextPrimitive(1)) }),
    ...(signing === undefined ? {} : { signingAlg: readAlgorithm(retag(signing, Tag.SEQUENCE)) }),
    ...(issuer === undefined ? {} : { issuer }),
    ...(validity === undefined ? {} : { validity: readValidity(validity) }),
    ...(subject === undefined ? {} : { subject }),
    ...(key === undefined ? {} : { publicKey: retag(key, Tag.SEQUENCE).bytes }),
    ...(extensions === undefined ? {} : { extensions: readExtensions(extensions, context(9)) }),
  }
}

function nameIn(name: Der | undefined): Uint8Array | undefined {
  if (name === undefined) return undefined
  readName(name.bytes)
  return name.bytes
}

function readValidity(element: Der): NonNullable<CertTemplate['validity']> {
  const fields = new DerFields(element, context(4))
  const notBefore = fields.explicit(0)
  const notAfter = fields.explicit(1)
  fields.end()
  return {
    ...(notBefore === undefined ? {} : { notBefore: timeValue(notBefore) }),
    ...(notAfter === undefined ? {} : { notAfter: timeValue(notAfter) }),
  }
}

export function encodeTemplate(template: CertTemplate): Uint8Array {
  const { version, serialNumber, signingAlg, issuer, validity, subject, publicKey, extensions = [] } = template
  const written = encodeExtensions(extensions)
  return sequence(
    version === undefined ? undefined : integer(version, contextPrimitive(0)),
    serialNumber === undefined ? undefined : implicit(1, rawInteger(serialNumber)),
    signingAlg === undefined ? undefined : implicit(2, encodeAlgorithm(signingAlg)),
    explicit(3, issuer),
    validity === undefined ? undefined : implicit(4, encodeValidity(validity)),
    explicit(5, subject),
    publicKey === undefined ? undefined : implicit(6, publicKey),
    written === undefined ? undefined : implicit(9, written),
  )
}

function encodeValidity({ notBefore, notAfter }: NonNullable<CertTemplate['validity']>): Uint8Array {
  return sequence(
    explicit(0, notBefore === undefined ? undefined : certificateTime(notBefore)),
    explicit(1, notAfter === undefined ? undefined : certificateTime(notAfter)),
  )
}

export function readAttributes(element: Der): AttributeTypeAndValue[] {
  const elements = elementsOf(element)
  if (elements.length > MAX_ATTRIBUTES) throw invalidDer('too many controls')
  return elements.map((one) => {
    const fields = new DerFields(one)
    const type = oidText(fields.field(Tag.OID))
    const value = fields.any().bytes
    fields.end()
    return { type, value }
  })
}

export function encodeAttributes(attributes: readonly AttributeTypeAndValue[]): Uint8Array | undefined {
  return attributes.length === 0 ? undefined : sequence(...attributes.map(({ type, value }) => sequence(oid(type), value)))
}

export function readCertReqMsg(element: Der): CertReqMsg {
  const fields = new DerFields(element)
  const request = fields.field(Tag.SEQUENCE)
  const popo = fields.nextTag === undefined || fields.nextTag === Tag.SEQUENCE ? undefined : readPopo(fields.any())
  const regInfo = fields.optional(Tag.SEQUENCE)
  fields.end()
  const parts = new DerFields(request)
  const certReqId = integerValue(parts.field(Tag.INTEGER))
  const template = readTemplate(parts.field(Tag.SEQUENCE))
  const controls = parts.optional(Tag.SEQUENCE)
  parts.end()
  return {
    requestBytes: request.bytes,
    certReqId,
    template,
    controls: controls === undefined ? [] : readAttributes(controls),
    popo,
    regInfo: regInfo === undefined ? [] : readAttributes(regInfo),
  }
}

function readPopo(element: Der): ProofOfPossession {
  if (element.tag === contextPrimitive(0) && element.content.length === 0) return { kind: 'raVerified' }
  if (element.tag !== context(1)) {
    if (element.tag !== context(2) && element.tag !== context(3)) throw invalidDer('not a proof of possession')
    return { kind: 'other', bytes: element.bytes }
  }
  const fields = new DerFields(element, context(1))
  const input = fields.optional(context(0))
  const algorithm = readAlgorithm(fields.field(Tag.SEQUENCE))
  const signature = bitStringBytes(fields.field(Tag.BIT_STRING))
  fields.end()
  return { kind: 'signature', ...(input === undefined ? {} : { input: retag(input, Tag.SEQUENCE).bytes }), algorithm, signature }
}

export function encodeCertReqMsg(message: Pick<CertReqMsg, 'requestBytes' | 'popo' | 'regInfo'>): Uint8Array {
  return sequence(message.requestBytes, encodePopo(message.popo), encodeAttributes(message.regInfo))
}

export function encodeCertRequest(certReqId: number, template: CertTemplate, controls: readonly AttributeTypeAndValue[]): Uint8Array {
  return sequence(integer(certReqId), encodeTemplate(template), encodeAttributes(controls))
}

function encodePopo(popo: ProofOfPossession | undefined): Uint8Array | undefined {
  if (popo === undefined) return undefined
  if (popo.kind === 'raVerified') return der(contextPrimitive(0))
  if (popo.kind === 'other') return popo.bytes
  return implicit(
    1,
    sequence(popo.input === undefined ? undefined : implicit(0, popo.input), encodeAlgorithm(popo.algorithm), bitString(popo.signature)),
  )
}

/** POPOSigningKeyInput (RFC 4211 §4.1): whose key it is, and the key. */
export function readSigningKeyInput(input: Uint8Array): { readonly sender: GeneralName | undefined; readonly publicKey: Uint8Array } {
  const fields = new DerFields(readDer(input))
  const sender = fields.explicit(0)
  if (sender === undefined) fields.any()
  const publicKey = fields.field(Tag.SEQUENCE).bytes
  fields.end()
  return { sender: sender === undefined ? undefined : readGeneralName(sender), publicKey }
}

export function readCertId(element: Der): CertId {
  const fields = new DerFields(element)
  const issuer = readGeneralName(fields.any())
  const serialNumber = integerBytes(fields.field(Tag.INTEGER))
  fields.end()
  return { issuer, serialNumber }
}

export function encodeCertId({ issuer, serialNumber }: CertId): Uint8Array {
  return sequence(encodeGeneralName(issuer), rawInteger(serialNumber))
}

/** The certificate that a kur replaces (RFC 4211 §6.5). */
export function oldCertIdOf(message: CertReqMsg): CertId | undefined {
  const control = message.controls.find(({ type }) => type === Oid.regCtrlOldCertId)
  return control === undefined ? undefined : readCertId(readDer(control.value))
}
