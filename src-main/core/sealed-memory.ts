// What the demo's devices remember, sealed: their OSCORE contexts and private keys are keys like any other, and a copied file gives none away.
import { AppError, fromHex, toHex, utf8, utf8ToText } from '#main/base/index.ts'
import type { DemoMemory } from '#main/simulator/index.ts'
import type { Keyring } from './keyring.ts'

const SEALED = 'sealed:'

/**
 * A memory whose texts stand sealed in the one behind it. What another keyring sealed is forgotten, as by a device that was reset.
 * Without a keyring no device is given keys, so that there is nothing to seal.
 */
export function sealedMemory(memory: Required<Omit<DemoMemory, 'saveNow'>>, keyring: Keyring | AppError): DemoMemory {
  if (keyring instanceof AppError) return memory
  const { sealer } = keyring
  const seal = (text: string): string => SEALED + toHex(sealer.seal(utf8(text)))
  return {
    load(name) {
      const text = memory.load(name)
      if (text?.startsWith(SEALED) !== true) return text
      const sealed = fromHex(text.slice(SEALED.length))
      try {
        return sealed === undefined ? undefined : utf8ToText(sealer.open(sealed))
      } catch {
        return undefined
      }
    },
    save: (name, text) => memory.save(name, seal(text)),
    saveAll: (texts) => memory.saveAll(new Map([...texts].map(([name, text]) => [name, seal(text)]))),
  }
}
