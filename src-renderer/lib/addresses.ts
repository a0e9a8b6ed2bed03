// Addresses that the tool listens on. Pure.
import { addressText } from './text.ts'

/** Where a device registers: the path that the directory answers at (RFC 9176 §5). */
export function registerAddress(at: { readonly scheme: string; readonly address: string; readonly port: number }): string {
  return `${addressText(at)}/rd`
}

export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}
