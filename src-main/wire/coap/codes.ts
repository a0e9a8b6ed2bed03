// Codes of CoAP messages: methods and response codes (RFC 7252 §12.1, RFC 8132).
import type { Method, ResponseCode } from './types.ts'

const METHOD_BY_CODE: Readonly<Record<string, Method>> = {
  '0.01': 'GET',
  '0.02': 'POST',
  '0.03': 'PUT',
  '0.04': 'DELETE',
  '0.05': 'FETCH',
  '0.06': 'PATCH',
  '0.07': 'iPATCH',
}

const CODE_BY_METHOD: Readonly<Record<Method, string>> = {
  GET: '0.01',
  POST: '0.02',
  PUT: '0.03',
  DELETE: '0.04',
  FETCH: '0.05',
  PATCH: '0.06',
  iPATCH: '0.07',
}

export const EMPTY_CODE = '0.00'

export function methodOfCode(code: string): Method | undefined {
  return METHOD_BY_CODE[code]
}

export function codeOfMethod(method: Method): string {
  return CODE_BY_METHOD[method]
}

export function isRequestCode(code: string): boolean {
  return code.startsWith('0.') && code !== EMPTY_CODE
}

export function isResponseCode(code: string): code is ResponseCode {
  const first = code[0]
  return first === '2' || first === '4' || first === '5'
}

/** Whether the response reports success (class 2). */
export function isSuccess(code: string): boolean {
  return code.startsWith('2.')
}
