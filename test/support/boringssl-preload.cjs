// Preload (`node --require`) that takes from node:crypto what Electron's BoringSSL does not have, so that tests prove that
// nothing leans on it. What is missing there: Electron issues 23637, 24024, 31874 and BoringSSL's own headers.
'use strict'
const crypto = process.getBuiltinModule('node:crypto')
const { syncBuiltinESMExports } = process.getBuiltinModule('node:module')

const blockModes = ['cbc', 'ctr', 'ecb', 'gcm', 'ofb']
const ciphers = [128, 192, 256].flatMap((bits) => blockModes.map((mode) => `aes-${bits}-${mode}`)).concat('des-ede3-cbc')
const hashes = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512', 'sha512-256']
const curves = ['P-224', 'P-256', 'P-384', 'P-521', 'secp224r1', 'prime256v1', 'secp384r1', 'secp521r1']
const keyTypes = ['rsa', 'ec', 'ed25519', 'x25519']

function missing(what, name) {
  const error = new TypeError(`${what} ${name} is not in BoringSSL`)
  error.code = 'ERR_CRYPTO_UNSUPPORTED_OPERATION'
  return error
}

/** Lets the function through only for names on the list. */
function restrict(functionName, what, names) {
  const original = crypto[functionName]
  if (original === undefined) return
  const known = new Set(names.map((name) => name.toLowerCase()))
  crypto[functionName] = function restricted(name, ...rest) {
    if (typeof name === 'string' && !known.has(name.toLowerCase())) throw missing(what, name)
    return original.call(this, name, ...rest)
  }
}

for (const name of ['createCipheriv', 'createDecipheriv']) restrict(name, 'cipher', ciphers)
for (const name of ['createHash', 'createHmac', 'hash', 'hkdf', 'hkdfSync']) restrict(name, 'hash', hashes)
for (const name of ['generateKeyPair', 'generateKeyPairSync']) restrict(name, 'key type', keyTypes)
restrict('createECDH', 'curve', curves)
for (const name of ['argon2', 'argon2Sync', 'encapsulate', 'decapsulate']) {
  if (crypto[name] !== undefined) {
    crypto[name] = () => {
      throw missing('function', name)
    }
  }
}
crypto.getCiphers = () => [...ciphers]
crypto.getHashes = () => [...hashes]
crypto.getCurves = () => [...curves]
// ES modules that import names see the poorer functions too.
syncBuiltinESMExports()
globalThis.groupwrightPoorCrypto = true
