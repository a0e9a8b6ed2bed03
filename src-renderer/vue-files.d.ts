// What an import of a component is for tools that do not read Vue files. vue-tsc knows the real types.
declare module '*.vue' {
  import type { DefineComponent } from 'vue'

  const component: DefineComponent
  export default component
}
