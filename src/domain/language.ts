/**
 * Which language a text is in, so that what we say by ourselves is in the customer's. Scripts decide where they can;
 * Chinese is Traditional or Simplified by the characters that differ; Latin languages vote with their commonest words.
 * A guess from a few thousand characters, always the same for the same text; `und` (RFC 5646 §4.1) where there is none.
 */
export function languageOf(text: string): string {
  const head = text.slice(0, 4000).normalize('NFC').toLowerCase()
  const count = (script: RegExp) => head.match(script)?.length ?? 0
  const letters = count(/\p{L}/gu)
  if (letters === 0) return 'und'

  const kana = count(/[\p{Script=Hiragana}\p{Script=Katakana}]/gu)
  const hangul = count(/\p{Script=Hangul}/gu)
  const han = count(/\p{Script=Han}/gu)
  // One character of these is about a word of Latin, and such texts are full of brand names and order numbers.
  if ((kana + hangul + han) * 4 >= letters) {
    if (hangul > kana && hangul * 2 >= han) return 'ko'
    return kana * 8 >= kana + han ? 'ja' : chinese(head)
  }
  for (const [script, language] of SCRIPTS) if (count(script) * 2 > letters) return language(head)
  return count(/\p{Script=Latin}/gu) * 2 > letters ? latin(head) : 'und'
}

/** With no telling character at all (退款), Traditional: it reads for both, and a tie says nothing. */
function chinese(text: string): string {
  let balance = 0
  for (const character of text)
    balance += (SIMPLIFIED.has(character) ? 1 : 0) - (TRADITIONAL.has(character) ? 1 : 0)
  return balance > 0 ? 'zh-CN' : 'zh-TW'
}

function latin(text: string): string {
  const words = text.match(/[\p{L}\p{M}]+/gu) ?? []
  let best = 'und'
  let most = 0
  let tied = false
  for (const [language, common, letters] of LATIN) {
    let votes = letters === null ? 0 : (text.match(letters)?.length ?? 0)
    for (const word of words) if (common.has(word)) votes += 1
    tied = votes === most && votes > 0 ? true : votes > most ? false : tied
    if (votes > most) {
      most = votes
      best = language
    }
  }
  // A tie of one vote each is no majority; a tie of many goes to the language named first.
  return tied && most < 2 ? 'und' : best
}

const SCRIPTS: readonly [RegExp, (text: string) => string][] = [
  [
    /\p{Script=Cyrillic}/gu,
    text => (/[іїєґ]/.test(text) ? 'uk' : /[ыэё]/.test(text) || !/ъ[^еёюя]/.test(text) ? 'ru' : 'bg'),
  ],
  [/\p{Script=Greek}/gu, () => 'el'],
  [/\p{Script=Arabic}/gu, text => (/[پچژگ]/.test(text) ? 'fa' : 'ar')],
  [/\p{Script=Hebrew}/gu, () => 'he'],
  [/\p{Script=Thai}/gu, () => 'th'],
  [/\p{Script=Devanagari}/gu, () => 'hi'],
]

const set = (words: string) => new Set(words.split(' '))

/** Words too common to be missing from two sentences, and letters that a language has nearly to itself. */
const LATIN: readonly [string, Set<string>, RegExp | null][] = [
  [
    'en',
    set(
      'the and is are you i my to of it for have what how can not this with was please where do when your hello hi thanks thank',
    ),
    null,
  ],
  [
    'de',
    set(
      'der die das und ist nicht ich sie wir ein eine mit für auf zu wie bitte habe meine mein wann wo hallo danke kann den dem',
    ),
    /ß/g,
  ],
  [
    'fr',
    set(
      'le la les et est je vous nous pas une un des pour que qui mon ma dans avec bonjour merci où comment sur ce votre du',
    ),
    /œ|[çêè]/g,
  ],
  [
    'es',
    set(
      'el la los las y es que de no una un por para con mi hola gracias cómo dónde está qué su pero cuando puedo',
    ),
    /[ñ¿¡]/g,
  ],
  [
    'it',
    set(
      'il la gli di che è non un una per con mio mia sono ciao grazie come dove quando posso della del ho buongiorno',
    ),
    null,
  ],
  [
    'pt',
    set(
      'o a os as e é que não um uma por para com meu minha olá obrigado obrigada como onde quando posso do da em você',
    ),
    /[ãõ]/g,
  ],
  [
    'nl',
    set(
      'de het een en is niet ik je u wij met voor op van hoe waar wanneer mijn kan graag hallo bedankt dat heb',
    ),
    /ij/g,
  ],
  ['sv', set('och är jag inte det en ett för med på som min mitt hur var när hej tack kan att vi har'), null],
  [
    'da',
    set('og er jeg ikke det en et til med på som min mit hvordan hvor hvornår hej tak kan af vi har fået'),
    null,
  ],
  [
    'no',
    set('og er jeg ikke det en et til med på som min mitt hvordan hvor når hei takk kan av vi har fått'),
    null,
  ],
  ['fi', set('ja on ei en se että mutta minun kun miten missä milloin hei kiitos voi olen ole tämä'), null],
  [
    'pl',
    set('i w na nie jest się to że do z jak czy mój moje gdzie kiedy dzień dobry dziękuję proszę mam'),
    /[łąęśżź]/g,
  ],
  ['cs', set('a je se na to že v s jak kde kdy můj moje není dobrý den děkuji prosím mám jsem'), /[řěů]/g],
  ['tr', set('ve bir bu için ne nasıl nerede değil var yok merhaba teşekkürler benim mi ile çok'), /[ğış]/g],
  ['hu', set('a az és nem hogy egy van ez mikor hol köszönöm szia kérem meg'), /[őű]/g],
  ['ro', set('și este nu un o la cu pentru care cum unde când mulțumesc bună vă meu mea'), /[țșă]/g],
  [
    'vi',
    set('và là của tôi không có cho được này bạn xin chào cảm ơn như thế nào'),
    /[ăơưđạảấầẩậắằặẹẻếềểệịọỏốồổộớờởợụủứừửựỳỵ]/g,
  ],
  [
    'id',
    set('dan yang di saya tidak ini itu untuk dengan apa bagaimana bisa terima kasih anda mana kapan sudah'),
    null,
  ],
]

const SIMPLIFIED = new Set(
  '们个这为来吗里湾对时会说没还问么让给谢请开关发订单货运费买卖换转账号码电话邮邮户联系客产质价钱银联网络页链师张陈刘杨黄吴赵孙马乐车东门见现实应当样动处区过进远边种经济机业务员专数据库图书馆园国语词话语读写学习觉认识记录设计调试验证测评价优惠节约纪级红绿蓝颜体头脸术办协议难题误错欢迎带从众两长间闻听声医药护丽爱岁万与书乡习飞灵热点虽继续缺点终结减',
)
const TRADITIONAL = new Set(
  '們個這為來對時會說沒還問麼讓給謝請開關發訂單貨運費買賣換轉帳號碼電話郵戶聯繫係產質價錢銀網絡頁鏈師張陳劉楊黃吳趙孫馬樂車東門見現實應當樣動處區過進遠邊種經濟機業務員專數據庫圖書館園國語詞讀寫學習覺認識記錄設計調試驗證測評優惠節約紀級紅綠藍顏體頭臉術辦協議難題誤錯歡迎帶從眾兩長間聞聽聲醫藥護麗愛歲萬與鄉飛靈熱點雖繼續終結減裡嗎妳臺灣',
)
for (const character of [...SIMPLIFIED]) {
  // What stands in both lists tells nothing.
  if (TRADITIONAL.delete(character)) SIMPLIFIED.delete(character)
}

/** Of what there is, the first that is wanted: the same tag, else the same language; then English, then whatever there is. */
export function pickLanguage(there: readonly string[], wanted: readonly string[]): string | undefined {
  const main = (tag: string) => tag.toLowerCase().split('-')[0]!
  for (const one of wanted) {
    const same = there.find(tag => tag.toLowerCase() === one.toLowerCase())
    const close = same ?? there.find(tag => main(tag) === main(one))
    if (close !== undefined) return close
  }
  return there.find(tag => main(tag) === 'en') ?? there[0]
}
