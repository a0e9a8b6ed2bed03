// The face of coap.
export * from './types.ts'
