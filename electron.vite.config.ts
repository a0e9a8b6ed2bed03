import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'electron-vite'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  main: {
    build: {
      outDir: 'out/main',
      rolldownOptions: { input: { index: here('src-main/hosts/electron/index.ts') } },
    },
  },
  preload: {
    build: {
      // A sandboxed preload is one CommonJS file without imports.
      externalizeDeps: false,
      outDir: 'out/preload',
      rolldownOptions: { input: { index: here('src-preload/index.ts') }, output: { format: 'cjs', entryFileNames: 'index.cjs' } },
    },
  },
  renderer: {
    root: here('src-renderer'),
    plugins: [vue()],
    build: { outDir: here('out/renderer'), rolldownOptions: { input: { index: here('src-renderer/index.html') } } },
  },
})
