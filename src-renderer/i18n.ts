// The window's words. One file per area and language under locales/; the file's name is the namespace of its keys.
// vue-i18n 11 interprets messages and needs no code generation, so the strict content security policy holds.
import { createI18n } from 'vue-i18n'

type Messages = Readonly<Record<string, unknown>>

const files = import.meta.glob<Messages>('./locales/*/*.json', { eager: true, import: 'default' })

export const languages = ['en', 'de'] as const
export type Language = (typeof languages)[number]

function messagesOf(language: Language): Record<string, Messages> {
  const found = Object.entries(files).filter(([path]) => path.startsWith(`./locales/${language}/`))
  return Object.fromEntries(found.map(([path, messages]) => [path.slice(path.lastIndexOf('/') + 1, -'.json'.length), messages]))
}

export function systemLanguage(preferred: readonly string[]): Language {
  for (const tag of preferred) {
    const match = languages.find((language) => tag.toLowerCase().split('-')[0] === language)
    if (match !== undefined) return match
  }
  return 'en'
}

const dateTime = {
  full: { dateStyle: 'medium', timeStyle: 'medium' },
  day: { dateStyle: 'medium' },
  clock: { hour: '2-digit', minute: '2-digit', second: '2-digit' },
} as const
const numbers = { count: { maximumFractionDigits: 0 }, one: { maximumFractionDigits: 1 } } as const

export const i18n = createI18n({
  legacy: false,
  locale: systemLanguage(navigator.languages),
  fallbackLocale: 'en',
  messages: { en: messagesOf('en'), de: messagesOf('de') },
  datetimeFormats: { en: dateTime, de: dateTime },
  numberFormats: { en: numbers, de: numbers },
})
