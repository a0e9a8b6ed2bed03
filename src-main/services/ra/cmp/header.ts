// PKIHeader (RFC 9810 §5.1.1), and the information that travels in it.
import {
  DerFields,
  elementsOf,
  explicit,
  generalizedTime,
  integer,
  integerValue,
  invalidDer,
  NULL,
  octets,
  octetString,
  Oid,
  oid,
  oidText,
  readDer,
  sequence,
  Tag,
  textValue,
  timeValue,
  utf8String,
  type Der,
} from '../der/index.ts'
import { encodeAlgorithm, readAlgorithm, type AlgorithmIdentifier } from '../x509/algorithms.ts'
import { encodeGeneralName, readGeneralName, type GeneralName } from '../x509/names.ts'
import { encodeFreeText, readFreeText, Refusal } from './status.ts'

export interface InfoTypeAndValue {
  readonly type: string
  /** DER; absent where there is none. */
  readonly value?: Uint8Array
}

export interface PkiHeader {
  readonly pvno: number
  readonly sender: GeneralName
  readonly recipient: GeneralName
  /** Milliseconds since the epoch, of whole seconds. */
  readonly messageTime: number | undefined
  readonly protectionAlg: AlgorithmIdentifier | undefined
  readonly senderKID: Uint8Array | undefined
  readonly recipKID: Uint8Array | undefined
  readonly transactionID: Uint8Array | undefined
  readonly senderNonce: Uint8Array | undefined
  readonly recipNonce: Uint8Array | undefined
  readonly freeText: readonly string[]
  readonly generalInfo: readonly InfoTypeAndValue[]
}

/** What identifies somebody is not longer than this. */
const MAX_ID_BYTES = 512
const MAX_INFOS = 64

function shortOctets(element: Der | undefined): Uint8Array | undefined {
  if (element === undefined) return undefined
  const bytes = octets(element)
  if (bytes.length > MAX_ID_BYTES) throw invalidDer('an identifier too long')
  return bytes
}

export function readHeader(element: Der): PkiHeader {
  const fields = new DerFields(element)
  const pvno = integerValue(fields.field(Tag.INTEGER))
  const sender = readGeneralName(fields.any())
  const recipient = readGeneralName(fields.any())
  const time = fields.explicit(0)
  const protection = fields.explicit(1)
  const senderKID = shortOctets(fields.explicit(2))
  const recipKID = shortOctets(fields.explicit(3))
  const transactionID = shortOctets(fields.explicit(4))
  const senderNonce = shortOctets(fields.explicit(5))
  const recipNonce = shortOctets(fields.explicit(6))
  const text = fields.explicit(7)
  const info = fields.explicit(8)
  fields.end()
  if (time !== undefined && time.tag !== Tag.GENERALIZED_TIME) throw invalidDer('a messageTime that is no GeneralizedTime')
  return {
    pvno,
    sender,
    recipient,
    messageTime: time === undefined ? undefined : timeValue(time),
    protectionAlg: protection === undefined ? undefined : readAlgorithm(protection),
    senderKID,
    recipKID,
    transactionID,
    senderNonce,
    recipNonce,
    freeText: text === undefined ? [] : readFreeText(text),
    generalInfo: info === undefined ? [] : readInfos(info),
  }
}

export function encodeHeader(header: PkiHeader): Uint8Array {
  const id = (number: number, bytes: Uint8Array | undefined): Uint8Array | undefined =>
    explicit(number, bytes === undefined ? undefined : octetString(bytes))
  return sequence(
    integer(header.pvno),
    encodeGeneralName(header.sender),
    encodeGeneralName(header.recipient),
    explicit(0, header.messageTime === undefined ? undefined : generalizedTime(header.messageTime)),
    explicit(1, header.protectionAlg === undefined ? undefined : encodeAlgorithm(header.protectionAlg)),
    id(2, header.senderKID),
    id(3, header.recipKID),
    id(4, header.transactionID),
    id(5, header.senderNonce),
    id(6, header.recipNonce),
    explicit(7, encodeFreeText(header.freeText)),
    explicit(8, header.generalInfo.length === 0 ? undefined : encodeInfos(header.generalInfo)),
  )
}

export function readInfos(element: Der): InfoTypeAndValue[] {
  const elements = elementsOf(element)
  if (elements.length > MAX_INFOS) throw invalidDer('too much general information')
  return elements.map((one) => {
    const fields = new DerFields(one)
    const type = oidText(fields.field(Tag.OID))
    const value = fields.done ? undefined : fields.any().bytes
    fields.end()
    return value === undefined ? { type } : { type, value }
  })
}

export function encodeInfos(infos: readonly InfoTypeAndValue[]): Uint8Array {
  return sequence(...infos.map(({ type, value }) => sequence(oid(type), value)))
}

/** Whether implicit confirmation is asked for or granted; its value must be NULL. */
export function hasImplicitConfirm({ generalInfo }: PkiHeader): boolean {
  const found = generalInfo.find(({ type }) => type === Oid.itImplicitConfirm)
  if (found === undefined) return false
  if (found.value?.length !== 2 || found.value[0] !== Tag.NULL) throw invalidDer('an implicitConfirm that is not NULL')
  return true
}

/** Either without confirmation, or with a time for it (RFC 9483 §3.1). Throws `Refusal`, or `der.invalid`. */
export function checkConfirmation(header: PkiHeader): void {
  const wait = header.generalInfo.find(({ type }) => type === Oid.itConfirmWaitTime)
  if (wait === undefined) return
  const time = wait.value === undefined ? undefined : readDer(wait.value)
  if (time?.tag !== Tag.GENERALIZED_TIME) throw invalidDer('a confirmWaitTime that is no GeneralizedTime')
  timeValue(time)
  if (hasImplicitConfirm(header)) throw new Refusal('badRequest', 'The message wants no confirmation and sets a time for it')
}

export const IMPLICIT_CONFIRM: InfoTypeAndValue = { type: Oid.itImplicitConfirm, value: NULL }

export function confirmWaitTime(ms: number): InfoTypeAndValue {
  return { type: Oid.itConfirmWaitTime, value: generalizedTime(ms) }
}

/** The one profile that the header names; undefined where it names none. */
export function certProfileOf({ generalInfo }: PkiHeader): string | undefined {
  const found = generalInfo.find(({ type }) => type === Oid.itCertProfile)
  if (found?.value === undefined) return undefined
  const [name, ...more] = elementsOf(readDer(found.value)).map((text) => textValue(text))
  if (name === undefined || more.length > 0) throw invalidDer('a certProfile that is not exactly one')
  return name
}

export function certProfileInfo(name: string): InfoTypeAndValue {
  return { type: Oid.itCertProfile, value: sequence(utf8String(name)) }
}
