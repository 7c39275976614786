/** Which of our languages a page is shown in (BCP 47). */

/**
 * @param wishes language tags, the most wanted first: the page's, the team's, the browser's
 * @param ours the languages that there are
 * @returns one of ours; English where none fits. zh-HK, zh-Hant are zh-TW; zh, zh-SG are zh-CN (CLDR's likely subtags)
 */
export function chosen(wishes: readonly (string | null | undefined)[], ours: readonly string[]): string {
  for (const wish of wishes) {
    const likely = wish && script(wish)
    const found = likely && (ours.find(one => one === wish) ?? ours.find(one => script(one) === likely))
    if (found) return found
  }
  return 'en'
}

/** zh-HK → zh-Hant. */
function script(tag: string): string | null {
  try {
    const { language, script } = new Intl.Locale(tag).maximize()
    return `${language}-${script}`
  } catch {
    return null // not a language tag
  }
}

/** "{n} messages" with its value. A text has one blank at most. */
export function filled(text: string, value: string | number): string {
  return text.replace(/\{\w+\}/, () => `${value}`)
}
