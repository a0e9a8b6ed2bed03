// Published test vectors, in hex. Each table names its origin.

export interface CcmVector {
  readonly name: string
  readonly key: string
  readonly nonce: string
  readonly aad: string
  readonly plaintext: string
  readonly sealed: string
  readonly tagBytes: number
}

const rfc3610Key = 'c0c1c2c3c4c5c6c7c8c9cacbcccdcecf'

function rfc3610(number: number, nonce: string, aadBytes: number, totalBytes: number, sealed: string, tagBytes: number): CcmVector {
  const packet = Array.from({ length: totalBytes }, (_, i) => i.toString(16).padStart(2, '0')).join('')
  const [aad, plaintext] = [packet.slice(0, 2 * aadBytes), packet.slice(2 * aadBytes)]
  return { name: `RFC 3610 §8 packet ${number}`, key: rfc3610Key, nonce, aad, plaintext, sealed, tagBytes }
}

const nistKey = '404142434445464748494a4b4c4d4e4f'
/** SP 800-38C C.4: 65 536 bytes of associated data. */
const nistLongAad = Array.from({ length: 65_536 }, (_, i) => (i & 255).toString(16).padStart(2, '0')).join('')

export const ccmVectors: readonly CcmVector[] = [
  rfc3610(1, '00000003020100a0a1a2a3a4a5', 8, 31, '588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0', 8),
  rfc3610(2, '00000004030201a0a1a2a3a4a5', 8, 32, '72c91a36e135f8cf291ca894085c87e3cc15c439c9e43a3ba091d56e10400916', 8),
  rfc3610(3, '00000005040302a0a1a2a3a4a5', 8, 33, '51b1e5f44a197d1da46b0f8e2d282ae871e838bb64da8596574adaa76fbd9fb0c5', 8),
  rfc3610(4, '00000006050403a0a1a2a3a4a5', 12, 31, 'a28c6865939a9a79faaa5c4c2a9d4a91cdac8c96c861b9c9e61ef1', 8),
  rfc3610(5, '00000007060504a0a1a2a3a4a5', 12, 32, 'dcf1fb7b5d9e23fb9d4e131253658ad86ebdca3e51e83f077d9c2d93', 8),
  rfc3610(6, '00000008070605a0a1a2a3a4a5', 12, 33, '6fc1b011f006568b5171a42d953d469b2570a4bd87405a0443ac91cb94', 8),
  rfc3610(7, '00000009080706a0a1a2a3a4a5', 8, 31, '0135d1b2c95f41d5d1d4fec185d166b8094e999dfed96c048c56602c97acbb7490', 10),
  {
    name: 'NIST SP 800-38C C.1',
    key: nistKey,
    nonce: '10111213141516',
    aad: '0001020304050607',
    plaintext: '20212223',
    sealed: '7162015b4dac255d',
    tagBytes: 4,
  },
  {
    name: 'NIST SP 800-38C C.4',
    key: nistKey,
    nonce: '101112131415161718191a1b1c',
    aad: nistLongAad,
    plaintext: '202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f',
    sealed: '69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72b4ac6bec93e8598e7f0dadbcea5b',
    tagBytes: 14,
  },
  {
    name: 'RFC 8613 C.4 (OSCORE request)',
    key: 'f0910ed7295e6ad4b54fc793154302ff',
    nonce: '4622d4dd6d944168eefb549868',
    aad: '8368456e63727970743040488501810a40411440',
    plaintext: '01b3747631',
    sealed: '612f1092f1776f1c1668b3825e',
    tagBytes: 8,
  },
]

const gcmKey = 'feffe9928665731c6d6a8f9467308308'
const gcmNonce = 'cafebabefacedbaddecaf888'
const gcmPlaintext =
  'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39'

/** McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B: test cases 1, 2 and 4. */
export const gcmVectors = [
  {
    name: 'case 1',
    key: '00000000000000000000000000000000',
    nonce: '000000000000000000000000',
    aad: '',
    plaintext: '',
    sealed: '58e2fccefa7e3061367f1d57a4e7455a',
  },
  {
    name: 'case 2',
    key: '00000000000000000000000000000000',
    nonce: '000000000000000000000000',
    aad: '',
    plaintext: '00000000000000000000000000000000',
    sealed: '0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf',
  },
  {
    name: 'case 4',
    key: gcmKey,
    nonce: gcmNonce,
    aad: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
    plaintext: gcmPlaintext,
    sealed:
      '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47',
  },
] as const

/** RFC 3394 §4. */
export const keyWrapVectors = [
  {
    key: '000102030405060708090a0b0c0d0e0f',
    material: '00112233445566778899aabbccddeeff',
    wrapped: '1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5',
  },
  {
    key: '000102030405060708090a0b0c0d0e0f1011121314151617',
    material: '00112233445566778899aabbccddeeff',
    wrapped: '96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d',
  },
  {
    key: '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
    material: '00112233445566778899aabbccddeeff',
    wrapped: '64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7',
  },
  {
    key: '000102030405060708090a0b0c0d0e0f1011121314151617',
    material: '00112233445566778899aabbccddeeff0001020304050607',
    wrapped: '031d33264e15d33268f24ec260743edce1c6c7ddee725a936ba814915c6762d2',
  },
  {
    key: '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
    material: '00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f',
    wrapped: '28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21',
  },
] as const

/** RFC 5869 appendix A.1 and A.3. */
export const hkdfVectors = [
  {
    ikm: '0b'.repeat(22),
    salt: '000102030405060708090a0b0c',
    info: 'f0f1f2f3f4f5f6f7f8f9',
    length: 42,
    prk: '077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5',
    okm: '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
  },
  {
    ikm: '0b'.repeat(22),
    salt: '',
    info: '',
    length: 42,
    prk: '19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04',
    okm: '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
  },
] as const
