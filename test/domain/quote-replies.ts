/**
 * Whole replies, and what a view of them must and must not show. Every word the customer wrote is each word that stands outside what mail
 * programs put there: marked lines, attributions, heads and dividers, what stands under an unmarked one of these to the end (nobody can
 * tell it from an answer there), and signatures set off by `-- ` or added by a phone. Text above, between and below marked lines is the
 * customer's, and so is what is passed on; where one cannot tell, the word counts as the customer's.
 *
 * The public set has 64 replies with expected files, whose policy is another: they cut what is passed on, and text under a quote. What
 * they cut of the customer's words is named here and must show too.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { type NewText, newText } from '../../src/domain/quote.ts'

export interface Reply {
  name: string
  text: string
  /** What must show, in this order. */
  wrote: string[]
  /** Whether a line of the view is one of the quote. */
  isQuote: (line: string) => boolean
  /** The lines that the set's own expected view shows, quotes among them. */
  expected?: ReadonlySet<string>
  /** Why a quote may stand in the view after all. */
  shown?: 'answered below' | 'nothing else said' | 'passed on'
}

export interface Read {
  reply: Reply
  view: NewText
  lost: string[]
  quoted: string[]
  /** Those of them that the set's own expected view does not show. */
  leaked: string[]
}

export function read(replies: readonly Reply[]): Read[] {
  return replies.map(reply => {
    const view = newText(reply.text)
    const quoted = linesOf(view.content).filter(reply.isQuote)
    return {
      reply,
      view,
      lost: lostOf(reply.wrote, view.content),
      quoted,
      leaked: quoted.filter(line => !reply.expected?.has(line)),
    }
  })
}

/** The words that are not in the view, in their order. */
function lostOf(wrote: readonly string[], content: string): string[] {
  const shown = wordsOf(content)
  const lost: string[] = []
  let at = 0
  for (const word of wrote.flatMap(wordsOf)) {
    const found = shown.indexOf(word, at)
    if (found < 0) lost.push(word)
    else at = found + 1
  }
  return lost
}

const wordsOf = (text: string) => text.split(/\s+/).filter(word => word !== '')
const linesOf = (text: string) =>
  text
    .split(/\r?\n/)
    .map(line => line.trim())
    .filter(line => line !== '')

const CORPUS = `${process.env.CORPORA ?? '../shared/corpora'}/replies`

/** What of the customer's the expected files of the public set cut, beside what is passed on. */
const CUT_THERE: Record<string, string[]> = {
  'embedded_email_1.txt': ['This is after the embedded email'],
}

const SHOWN_THERE: Record<string, Reply['shown']> = {
  'embedded_email_1.txt': 'answered below',
  'embedded_email_7.txt': 'answered below',
  'embedded_email_16.txt': 'answered below',
  'embedded_email_17.txt': 'answered below',
  'embedded_email_french_2.txt': 'answered below',
  'embedded_email_quote_text.txt': 'answered below',
  'quote_and_text.txt': 'answered below',
  'embedded_email_18.txt': 'nothing else said',
  'quote_only.txt': 'nothing else said',
  'spam_1.txt': 'nothing else said',
  'forwarded_apple.txt': 'passed on',
  'forwarded_gmail.txt': 'passed on',
  'forwarded_message.txt': 'passed on',
}

/** The public set; null where it is not there. */
export function publicReplies(): Reply[] | null {
  if (!existsSync(CORPUS)) return null
  return readdirSync(`${CORPUS}/emails`).map(name => {
    const text = readFileSync(`${CORPUS}/emails/${name}`, 'utf8')
    const expected = readFileSync(`${CORPUS}/expected/${name}`, 'utf8')
    const kept = new Set(linesOf(expected))
    const shown = SHOWN_THERE[name]
    return {
      name,
      text,
      wrote: shown === 'passed on' ? [text] : [expected, ...(CUT_THERE[name] ?? [])],
      // These two have rules and signatures, and no quote; some expected files keep `>` lines, which are quotes all the same.
      expected: kept,
      isQuote: line =>
        name !== 'delimiters.txt' &&
        name !== 'signatures.txt' &&
        (!kept.has(line) || (shown !== undefined && /^\w?>/.test(line))),
      ...(shown ? { shown } : {}),
    }
  })
}

/** The smaller set that is always there. ‹ › stand around what the customer wrote, and `Q:` in what is quoted. */
export const ourReplies: Reply[] = Object.entries({
  'Gmail, Taiwan':
    '‹您好，\n\n請問何時出貨？謝謝\n\n王小明›\n\n客服 <support@shop.example> 於 2026年11月3日 週二 下午2:05寫道：\n\n> Q:您好，\n> Q:已收到您的訂單。\n>\n',
  'Yahoo, Taiwan':
    '‹還沒收到退款。›\n\n 客服 <support@shop.example> 在 2026年11月3日 星期二 下午02:05:48 [GMT+8] 寫道：\n \n Q:已退款\n',
  'Outlook, Taiwan':
    '‹附上發票。\n\n王小明›\n\n________________________________\n寄件者: 客服 <support@shop.example>\n寄件日期: 2026年11月3日 下午 02:05\n收件者: 王小明 <ming@mail.example>\n副本: 會計\n主旨: Re: 發票\n\nQ:請提供發票\n',
  QQ: '‹请改地址›\n\n发自我的iPhone\n\n\n------------------ 原始邮件 ------------------\n发件人: "客服" <support@shop.example>;\n发送时间: 2026年11月3日(星期二) 下午2:05\n收件人: "小明"<ming@mail.example>;\n\n主题: Re: 订单\n\n\nQ:好的',
  'Apple Mail, Japan':
    '‹了解しました。\n\nよろしくお願いします。›\n\n> 2026/11/03 14:05、サポート <support@shop.example>のメール:\n> \n> Q:発送しました。\n',
  'Gmail, Korea':
    '‹감사합니다.›\n\n2026년 11월 3일 (화) 오후 2:05, 고객센터 <support@shop.example>님이 작성:\n\n> Q:발송했습니다.\n',
  'Gmail, Arabic':
    '‹شكرا جزيلا›\n\nفي الثلاثاء، 3 نوفمبر 2026 في 2:05 م تمت كتابة ما يلي بواسطة \u202aShop\u202c\u200f <\u202asupport@shop.example\u202c\u200f>:\n\n> Q:مرحبا\n',
  'Gmail, Hebrew':
    '‹תודה רבה›\n\n\u202bבתאריך יום ג׳, 3 בנוב׳ 2026 ב-14:05 מאת \u202aShop\u202c\u200f <\u202asupport@shop.example\u202c\u200f>:\u202c\n\n> Q:שלום\n',
  'Outlook, desktop':
    '‹Dear support,\n\nThe parcel came today: thank you!\n\nBest regards,\nBob›\n\nFrom: Shop Support <support@shop.example>\nSent: Tuesday, November 3, 2026 2:05 PM\nTo: Bob <bob@mail.example>\nCc: Eve\nSubject: RE: Parcel\n\nQ:Hello Bob\n\nQ:It is on its way.\n',
  'Thunderbird, German, answered below':
    'Am 03.11.26 um 14:05 schrieb Shop:\n> Q:Welche Größe?\n\n‹Größe L.›\n\n> Q:Welche Farbe?\n\n‹Rot.›\n\n-- \nBob Maier\n',
  'Gmail, wrapped':
    '‹Yes, both.›\n\nOn Tue, Nov 3, 2026 at 2:05 PM Shop Support and Returns Department <\nreturns-department@shop.example> wrote:\n\n> Q:Both?\n',
  'Proton, French':
    '‹Oui, merci.›\n\nEnvoyé avec Proton Mail\n\n------- Message original -------\nLe mardi 3 novembre 2026 à 14:05, Shop <support@shop.example> a écrit :\n\n> Q:Bonjour\n',
  'Roundcube, Polish, with a log':
    '‹Nie działa.\nPo kliknięciu jest błąd:\n> 500 Internal Server Error›\n\nW dniu 2026-11-03 14:05, Shop napisał(a):\n> Q:Proszę spróbować\n',
  'K-9, German':
    '‹Geht nicht mehr.›\n-- \nDiese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.\n\nAm 3. November 2026 14:05:00 MEZ schrieb Shop <support@shop.example>:\n>Q:Geht es?\n',
  'Gmail, passed on':
    '‹Please look at this, it is from your shop.\n\n---------- Forwarded message ---------\nFrom: Shop <support@shop.example>\nDate: Tue, Nov 3, 2026 at 2:05 PM\nSubject: Order\nTo: Bob <bob@mail.example>\n\n\nYour order 5 is cancelled.›',
  'Gmail, Japan, passed on':
    '‹ご確認ください。\n\n---------- Forwarded message ---------\nFrom: 店 <support@shop.example>\nDate: 2026年11月3日(火) 14:05\nSubject: 注文\nTo: <bob@mail.example>\n\n\n注文はキャンセルされました。›',
  'nothing else said': 'On Tue, Nov 3, 2026 at 2:05 PM Shop <support@shop.example> wrote:\n\n> Q:Hello\n',
  'a log': '‹It says:\n\n> npm run build\n> error TS2304\n\nWhat now?›',
  'a form':
    '‹Name: Bob\nE-mail: bob@mail.example\nDate: 3 Nov 2026 14:05\nOrder: 5\n\nPlease refund me.›\n\nSent from my iPhone',
}).map(([name, marked]) => {
  const shown = (['answered below', 'nothing else said'] as const).find(why => name.endsWith(why))
  return {
    name,
    text: marked.replace(/[‹›]/g, ''),
    wrote: [...marked.matchAll(/‹([^›]*)›/g)].map(([, wrote]) => wrote!),
    isQuote: line => line.includes('Q:'),
    ...(shown ? { shown } : {}),
  }
})
