// Commands that are there in every view: the steps by number, the panels, theme and language.
import {
  Activity,
  BookMarked,
  CircleHelp,
  Footprints,
  KeyRound,
  Languages,
  ListChecks,
  Lock,
  MapPin,
  Moon,
  Rows3,
  ScrollText,
  TriangleAlert,
  Usb,
} from '@lucide/vue'
import { computed } from 'vue'
import { useI18n } from 'vue-i18n'
import { useRoute, useRouter } from 'vue-router'
import { useHotkeys } from '../../composables/use-hotkeys.ts'
import type { Hotkey } from '../../composables/use-hotkeys.ts'
import { useOp } from '../../composables/use-op.ts'
import { usePreferences } from '../../composables/use-preferences.ts'
import { useFeed } from '../../stores/feeds.ts'
import { useShell } from '../../stores/shell.ts'
import { stepCommands } from './step-commands.ts'
import { steps } from './steps.ts'

export function useFrameCommands(): void {
  const { t, locale } = useI18n()
  const route = useRoute()
  const router = useRouter()
  const shell = useShell()
  const preferences = usePreferences()
  const session = useFeed('session')
  const access = useFeed('access')
  const lock = useOp('access.lock')
  const isUnlocked = computed(() => access.rows.value[0]?.roles.some((each) => each.hasPin && each.held) ?? false)
  const hasSite = computed(() => (session.rows.value[0]?.site ?? null) !== null)
  const area = computed(() => t('frame.area'))

  const toSteps = steps.map((step, index): Hotkey => ({
    key: String(index + 1),
    label: () => t('frame.go-to', { step: t(`common.step.${step}`) }),
    area,
    icon: MapPin,
    enabled: hasSite,
    run: () => router.push(`/${step}`),
  }))
  // Where a step's view is open it offers these itself, with their keys.
  const ofSteps = stepCommands.map((command): Hotkey => ({
    label: () => t(command.label),
    area: () => t(`common.step.${command.step}`),
    enabled: () => hasSite.value && route.name !== command.step,
    run: () => router.push(command.to),
  }))
  useHotkeys([
    ...toSteps,
    { key: 'Mod+K', label: () => t('frame.palette.title'), area, run: () => (shell.paletteOpen = !shell.paletteOpen), hidden: true },
    { key: 'E', label: () => t('directory.open'), area, icon: BookMarked, enabled: hasSite, run: () => router.push('/directory') },
    { key: 'L', label: () => t('link.open'), area, icon: Usb, enabled: hasSite, run: () => router.push('/link') },
    { key: 'K', label: () => t('trace.open'), area, icon: Activity, enabled: hasSite, run: () => router.push('/trace') },
    { key: 'W', label: () => t('walk.open'), area, icon: Footprints, enabled: hasSite, run: () => router.push('/walk') },
    { label: () => t('audit.open'), area, icon: ScrollText, enabled: hasSite, run: () => router.push('/audit') },
    { label: () => t('access.open'), area, icon: KeyRound, enabled: hasSite, run: () => shell.askForRole(null) },
    { label: () => t('access.lock'), area, icon: Lock, enabled: isUnlocked, run: () => lock.run({}) },
    { key: '?', label: () => t('frame.shortcuts'), area, icon: CircleHelp, run: () => (shell.shortcutsOpen = true) },
    { key: 'J', label: () => t('frame.jobs.toggle'), area, icon: ListChecks, enabled: hasSite, run: () => shell.togglePanel('jobs') },
    {
      key: 'P',
      label: () => t('frame.problems.toggle'),
      area,
      icon: TriangleAlert,
      enabled: hasSite,
      run: () => shell.togglePanel('problems'),
    },
    { label: () => t('frame.theme.system'), area, icon: Moon, run: () => preferences.set({ theme: 'system' }) },
    { label: () => t('frame.theme.light'), area, icon: Moon, run: () => preferences.set({ theme: 'light' }) },
    { label: () => t('frame.theme.dark'), area, icon: Moon, run: () => preferences.set({ theme: 'dark' }) },
    {
      label: () => t('frame.density'),
      area,
      icon: Rows3,
      run: () => preferences.set({ density: preferences.row.value?.density === 'touch' ? 'normal' : 'touch' }),
    },
    {
      label: () => t('frame.other-language'),
      area,
      icon: Languages,
      run: () => preferences.set({ locale: locale.value === 'de' ? 'en' : 'de' }),
    },
    ...ofSteps,
  ])
}
