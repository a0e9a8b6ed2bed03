// The face of the migrations.
export { migrations } from './list.ts'
