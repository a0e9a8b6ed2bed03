// The few sentences that the main process says itself: the menu and its dialogs. Everything else is the window's.
const en = {
  file: 'File',
  openSite: 'Open site…',
  closeSite: 'Close site',
  quit: 'Quit Groupwright',
  edit: 'Edit',
  undo: 'Undo',
  redo: 'Redo',
  cut: 'Cut',
  copy: 'Copy',
  paste: 'Paste',
  selectAll: 'Select all',
  view: 'View',
  actualSize: 'Actual size',
  zoomIn: 'Zoom in',
  zoomOut: 'Zoom out',
  fullScreen: 'Full screen',
  developerTools: 'Developer tools',
  window: 'Window',
  minimize: 'Minimize',
  about: 'About Groupwright',
  siteFiles: 'Groupwright sites',
  chooseSite: 'Open a site',
  finishing: 'Groupwright is finishing the step under way',
  finishingDetail:
    'The request that is on the network now is brought to its end, then Groupwright closes. Nothing is lost if you quit now: what is open then is done again when the site is next opened.',
  keepWaiting: 'Keep waiting',
  quitNow: 'Quit now',
  openFailed: 'The site could not be opened',
  startFailed: 'Groupwright could not start',
  windowGone: 'The window stopped working',
  windowGoneDetail: 'The site and the work under way are not affected. The window can be loaded again.',
  reload: 'Load again',
} as const

export type Texts = { readonly [Key in keyof typeof en]: string }

const de: Texts = {
  file: 'Datei',
  openSite: 'Anlage öffnen …',
  closeSite: 'Anlage schließen',
  quit: 'Groupwright beenden',
  edit: 'Bearbeiten',
  undo: 'Rückgängig',
  redo: 'Wiederholen',
  cut: 'Ausschneiden',
  copy: 'Kopieren',
  paste: 'Einfügen',
  selectAll: 'Alles auswählen',
  view: 'Ansicht',
  actualSize: 'Originalgröße',
  zoomIn: 'Vergrößern',
  zoomOut: 'Verkleinern',
  fullScreen: 'Vollbild',
  developerTools: 'Entwicklerwerkzeuge',
  window: 'Fenster',
  minimize: 'Minimieren',
  about: 'Über Groupwright',
  siteFiles: 'Groupwright-Anlagen',
  chooseSite: 'Anlage öffnen',
  finishing: 'Groupwright bringt den laufenden Schritt zu Ende',
  finishingDetail:
    'Die Anfrage, die gerade im Netz ist, wird abgeschlossen, dann schließt Groupwright. Auch bei sofortigem Beenden geht nichts verloren: Offenes wird beim nächsten Öffnen der Anlage nachgeholt.',
  keepWaiting: 'Weiter warten',
  quitNow: 'Sofort beenden',
  openFailed: 'Die Anlage konnte nicht geöffnet werden',
  startFailed: 'Groupwright konnte nicht starten',
  windowGone: 'Das Fenster funktioniert nicht mehr',
  windowGoneDetail: 'Die Anlage und laufende Arbeiten sind nicht betroffen. Das Fenster kann neu geladen werden.',
  reload: 'Neu laden',
}

/** The sentences in the language that the locale names, English where there is none. */
export function textsFor(locale: string): Texts {
  return locale.toLowerCase().startsWith('de') ? de : en
}
