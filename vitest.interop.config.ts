import { defineConfig } from 'vitest/config'

// Against programs that nobody here wrote; each skips with one line where its peer is missing, but never under CI.
export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
  },
})
