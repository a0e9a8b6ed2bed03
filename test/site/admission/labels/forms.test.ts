// Every form of label, and what is wrong with those that are none.
import { describe, expect, test } from 'vitest'
import { readLabel, splitLabels } from '#main/site/admission/labels/index.ts'

const facts = (text: string): unknown => {
  const { first } = readLabel(text)
  return first.kind === 'label' ? first.label.facts : first.problem
}

describe('EUI-64 in every notation', () => {
  test.each([
    '8cf681fffe000001',
    '8CF681FFFE000001',
    '0x8CF681FFFE000001',
    '8C-F6-81-FF-FE-00-00-01',
    '8c:f6:81:ff:fe:00:00:01',
    '8CF6.81FF.FE00.0001',
    '8CF6:81FF:FE00:0001',
    '8C F6 81 FF FE 00 00 01',
    ' \ufeff8CF681FFFE000001\r',
    'EUI64: 8CF681FFFE000001',
    'EUI-64=8C:F6:81:FF:FE:00:00:01',
    'IEEE 8CF681FFFE000001',
  ])('%j', (text) => {
    expect(facts(text)).toMatchObject({ format: 'eui64', eui64: '8cf681fffe000001' })
  })

  test('the digits are taken in the order in which they stand: a reversed one is another device', () => {
    expect(facts('01-00-00-FE-FF-81-F6-8C')).toMatchObject({ eui64: '010000feff81f68c' })
  })

  test('separators that change in the middle make it none', () => {
    expect(facts('8C-F6:81-FF-FE-00-00-01')).toMatchObject({ reason: 'unknown-form' })
  })

  test.each(['00:00:00:00:00:00:00:00', 'ffffffffffffffff'])('%s belongs to nobody', (text) => {
    expect(facts(text)).toMatchObject({ reason: 'not-an-eui64' })
  })

  test('a digit too few is told with the number of digits', () => {
    expect(facts('8C:F6:81:FF:FE:00:00')).toMatchObject({ reason: 'wrong-length', params: { wanted: 16, length: 14 } })
    expect(facts('EUI64: 8CF681FFFE00000')).toMatchObject({ reason: 'wrong-length', params: { wanted: 16, length: 15 } })
    expect(facts('EUI64: 8CF681FFFE00000G')).toMatchObject({ reason: 'not-hex', field: 'eui64' })
  })
})

describe('MAC addresses and serial numbers', () => {
  test('a MAC address is known by the EUI-64 with FFFE in its middle', () => {
    expect(facts('8C:F6:81:00:00:01')).toMatchObject({ format: 'mac48', eui64: '8cf681fffe000001' })
    expect(facts('MAC: 8CF681000001')).toMatchObject({ format: 'mac48', eui64: '8cf681fffe000001' })
  })

  test('twelve bare digits are a serial number that may also be a MAC address', () => {
    const { first, otherwise } = readLabel('00FA10010400')
    expect(first).toMatchObject({ label: { facts: { format: 'serial', serial: '00FA10010400', eui64: null } } })
    expect(otherwise).toMatchObject([{ facts: { format: 'mac48', eui64: '00fa10fffe010400' } }])
  })

  test.each(['SN: AB-1234', 'S/N AB-1234', 'Serial No.: AB-1234', 'serial number AB-1234', 'SN=AB-1234'])('%s', (text) => {
    expect(facts(text)).toMatchObject({ format: 'serial', serial: 'AB-1234' })
  })

  test('words on one label are read together', () => {
    expect(facts('SN: 00FA10010400, EUI64: 8CF681FFFE000001')).toMatchObject({ serial: '00FA10010400', eui64: '8cf681fffe000001' })
    expect(facts('S/N 00FA10010400 MAC 8C:F6:81:00:00:01')).toMatchObject({ serial: '00FA10010400', eui64: '8cf681fffe000001' })
  })

  test('two different serial numbers contradict each other', () => {
    expect(facts('SN: AB-1234 SN: AB-1235')).toMatchObject({ reason: 'contradiction' })
  })

  test('a bare serial number that begins with S may be one without it (ISO/IEC 15418)', () => {
    expect(readLabel('S1234567')).toMatchObject({
      first: { label: { facts: { serial: 'S1234567' } } },
      otherwise: [{ facts: { serial: '1234567' } }],
    })
  })

  test('prose is no label', () => {
    expect(facts('turn the lamp off first!')).toMatchObject({ reason: 'unknown-form' })
    expect(facts('   ')).toMatchObject({ reason: 'empty' })
    expect(facts('A')).toMatchObject({ reason: 'wrong-length' })
    expect(facts('A'.repeat(2000))).toMatchObject({ reason: 'too-long' })
  })
})

describe('KNX IoT', () => {
  test('serial number and password', () => {
    expect(readLabel('KNX:S:00FA10010400;P:LETTUCE').first).toMatchObject({
      label: { facts: { format: 'knx', serial: '00FA10010400', secrets: ['password'] }, secrets: { password: 'LETTUCE' } },
    })
    expect(facts('knx:s:00fa10010400')).toMatchObject({ serial: '00FA10010400', secrets: [] })
  })

  test.each([
    ['KNX:P:LETTUCE', { reason: 'incomplete', field: 'S' }],
    ['KNX:S:00FA1001040;P:X', { reason: 'wrong-length', params: { wanted: 12, length: 11 } }],
    ['KNX:S:00FA1001040G;P:X', { reason: 'not-hex', field: 'S' }],
    ['KNX:S:00FA10010400;S:00FA10010401', { reason: 'contradiction', field: 'S' }],
    ['KNX:', { reason: 'incomplete', field: 'S' }],
    ['KNX:;;;', { reason: 'incomplete', field: 'S' }],
  ])('%s', (text, expected) => {
    expect(facts(text)).toMatchObject({ format: 'knx', ...expected })
  })
})

describe('Thread', () => {
  test.each([
    ['v=1&&cc=J01NU5', { reason: 'incomplete', field: 'eui' }],
    ['v=1&&eui=0000b57fffe15d6&&cc=J01NU5', { reason: 'not-an-eui64', field: 'eui' }],
    ['v=1&&eui=0000b57fffe15d68&&cc=short', { reason: 'bad-characters', field: 'cc' }],
    ['v=1&&eui=0000b57fffe15d68&&cc=J01NUI', { reason: 'bad-characters', field: 'cc' }],
    ['v=2&&eui=0000b57fffe15d68', { reason: 'unknown-form', field: 'v' }],
    ['v=1&&eui=0000b57fffe15d68&&eui=0000b57fffe15d69', { reason: 'contradiction', field: 'eui' }],
    ['v=1&&eui=0000b57fffe15d68&&cc=J01NU5&&KNX:S:12;P:X', { format: 'knx', reason: 'wrong-length' }],
  ])('%s', (text, expected) => {
    expect(facts(text)).toMatchObject(expected)
  })

  test('no problem repeats what was read: it may be a secret', () => {
    const { first } = readLabel('v=1&&eui=0000b57fffe15d6&&cc=J01NU5')
    expect(JSON.stringify(first)).not.toContain('J01NU5')
  })
})

describe('data identifiers (ISO/IEC 15418)', () => {
  test('in the envelope of ISO/IEC 15434, with control characters as they are or spelled out', () => {
    const expected = { format: 'iso15418', serial: 'SN4711', product: 'PART-9', maker: 'ACME' }
    expect(facts('[)>\u001e06\u001d1PPART-9\u001dSSN4711\u001d18VACME\u001e\u0004')).toMatchObject(expected)
    expect(facts('[)><RS>06<GS>1PPART-9<GS>SSN4711<GS>18VACME<RS><EOT>')).toMatchObject(expected)
    expect(facts('[)>␞06␝1PPART-9␝SSN4711␝18VACME␞␄')).toMatchObject(expected)
    expect(facts('1PPART-9\u001dSSN4711\u001d18VACME')).toMatchObject(expected)
  })

  test('25S alone, and 23S as a MAC address', () => {
    expect(facts('25SUN043325711MH8031200000000001')).toMatchObject({ serial: 'UN043325711MH8031200000000001' })
    expect(facts('1PX-1+23S8CF681000001')).toMatchObject({ eui64: '8cf681fffe000001', product: 'X-1' })
  })

  test('without PA the network password is also the application password (knx-iot.github.io/qr_codes)', () => {
    expect(readLabel('1PX-1+41S00015C00002D+3ZEUI:8CF681FFFE000001.P:ABCDEF').first).toMatchObject({
      label: { secrets: { password: 'ABCDEF', joiningCredential: 'ABCDEF' } },
    })
  })

  test.each([
    ['1PX-1+41S00015C00002', { reason: 'wrong-length', field: '41S' }],
    ['1PX-1+41S00015C00002D+3ZEUI:8CF681FFFE00000', { reason: 'not-an-eui64', field: 'EUI' }],
    ['1PX-1+41S00015C00002D+41S00015C00002E', { reason: 'contradiction', field: '41S' }],
    ['1PX-1+18VACME', { reason: 'no-identity' }],
    ['[)>\u001e12\u001dfoo', { reason: 'unknown-form' }],
  ])('%j', (text, expected) => {
    expect(facts(text)).toMatchObject({ format: 'iso15418', ...expected })
  })
})

describe('GS1 application identifiers', () => {
  test('a Digital Link', () => {
    expect(facts('https://id.gs1.org/01/09501101530003/10/AB/21/12%2F45')).toMatchObject({ serial: '12/45', product: '09501101530003' })
  })

  test('without the leading FNC1, which many scanners swallow', () => {
    expect(facts('010950110153000321ABC')).toMatchObject({ format: 'gs1', serial: 'ABC', product: '09501101530003' })
  })

  test.each([
    ['(01)09501101530004(21)1', { reason: 'wrong-checksum', field: '01' }],
    ['(01)0950110153000(21)1', { reason: 'wrong-length', field: '01' }],
    ['(01)09501101530003', { reason: 'no-identity' }],
    ['(01)09501101530003(21)', { reason: 'incomplete' }],
    [']d2010950', { reason: 'incomplete' }],
    [']C1', { reason: 'incomplete' }],
  ])('%s', (text, expected) => {
    expect(facts(text)).toMatchObject({ format: 'gs1', ...expected })
  })
})

test('what a scanner says of the symbology is no part of the label (ISO/IEC 15424)', () => {
  expect(facts(']Q1KNX:S:00FA10010400')).toMatchObject({ format: 'knx', serial: '00FA10010400' })
  expect(facts(']d18CF681FFFE000001')).toMatchObject({ format: 'eui64' })
  expect(facts(']A0AB-1234')).toMatchObject({ format: 'serial', serial: 'AB-1234' })
  expect(facts(']C10109501101530003211')).toMatchObject({ format: 'gs1', serial: '1' })
})

test('a paste is a label a line; separators inside a label stay in it', () => {
  expect(splitLabels('KNX:S:00FA10010400\r\n\n  8CF681FFFE000001\t\r[)>\u001e06\u001dSA\u001e\u0004')).toEqual([
    'KNX:S:00FA10010400',
    '8CF681FFFE000001',
    '[)>\u001e06\u001dSA\u001e\u0004',
  ])
})
