// One configuration for every room; the floors themselves are held by test/arch.
import pluginVue from 'eslint-plugin-vue'
import tseslint from 'typescript-eslint'

const ownTimeAndChance = [
  { selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']", message: 'Take the time from the Clock port.' },
  { selector: "CallExpression[callee.object.name='Math'][callee.property.name='random']", message: 'Take chance from the Random port.' },
  { selector: 'CallExpression[callee.name=/^set(Timeout|Interval)$/]', message: 'Set timers on the Clock port.' },
]
const typedFailures = [{ selector: "NewExpression[callee.name='Error']", message: 'Throw an AppError with a code.' }]

export default tseslint.config(
  { ignores: ['out/**', 'node_modules/**', 'coverage/**', 'demo-output/**', 'docs/**'] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  ...pluginVue.configs['flat/recommended'],
  {
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.main.json', './tsconfig.preload.json', './tsconfig.renderer.json', './tsconfig.test.json'],
        tsconfigRootDir: import.meta.dirname,
        extraFileExtensions: ['.vue'],
      },
    },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/prefer-nullish-coalescing': 'error',
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/array-type': ['error', { default: 'array-simple' }],
      'no-console': 'error',
      eqeqeq: 'error',
      'no-restricted-syntax': ['error', ...ownTimeAndChance, ...typedFailures],
    },
  },
  {
    files: ['src-main/**/*.ts', 'build/**/*.ts'],
    ignores: ['src-main/hosts/electron/**'],
    rules: { 'no-restricted-imports': ['error', { paths: [{ name: 'electron', message: 'Only hosts/electron knows Electron.' }] }] },
  },
  {
    files: ['src-main/base/clock.ts', 'src-main/base/random.ts'],
    rules: { 'no-restricted-syntax': ['error', ...typedFailures] },
  },
  {
    files: ['test/**/*.ts', 'build/**/*.ts', '*.config.ts'],
    rules: {
      'no-restricted-syntax': 'off',
      'no-console': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    files: ['src-renderer/**/*.ts', 'src-renderer/**/*.vue'],
    languageOptions: { parserOptions: { parser: tseslint.parser } },
    rules: {
      'no-restricted-syntax': ['error', ...typedFailures],
      // The only way to copy without a permission.
      '@typescript-eslint/no-deprecated': ['error', { allow: [{ from: 'lib', name: 'execCommand' }] }],
      'vue/no-v-html': 'error',
      'vue/multi-word-component-names': 'off',
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/multiline-html-element-content-newline': 'off',
      'vue/html-self-closing': 'off',
      'vue/html-indent': 'off',
      'vue/html-closing-bracket-newline': 'off',
      'vue/component-api-style': ['error', ['script-setup']],
      'vue/block-lang': ['error', { script: { lang: 'ts' } }],
    },
  },
  { files: ['**/*.js', '**/*.cjs', '**/*.mjs'], ...tseslint.configs.disableTypeChecked },
)
