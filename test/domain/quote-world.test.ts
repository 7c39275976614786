/** Quotes of the whole world: the table of quote-lines.ts, and what people write themselves that looks like it. */
import { describe, expect, it } from 'vitest'
import { newText, QUOTE_BEGINS } from '../../src/domain/quote.ts'
import { attributions, blocks, foreign, NEW, quoteUnder, wrapped } from './quote-lines.ts'

const about = (one: { client: string; language: string; text: string }) =>
  `${one.client} ${one.language}: ${one.text.replaceAll('\n', ' / ')}`
const missed = (list: typeof attributions, write: (text: string) => string) =>
  list.filter(one => newText(write(one.text)).content !== NEW).map(about)

describe('F7 F8 the quotes of mail programs', () => {
  it('are in a table of 70 languages and all clients we know', () => {
    const languages = new Set([...attributions, ...blocks].map(one => one.language.split('-')[0]))
    expect(languages.size).toBeGreaterThanOrEqual(70)
    expect(attributions.length + blocks.length).toBeGreaterThanOrEqual(150)
  })

  it('are hidden under their attribution, with or without a blank line between', () => {
    expect(missed(attributions, text => `${NEW}\n\n${text}\n\n${quoteUnder('> ')}`)).toEqual([])
    expect(missed(attributions, text => `${NEW}\n${text}\n${quoteUnder('> ')}`)).toEqual([])
    expect(missed(attributions, text => `${NEW}\r\n\r\n${text}\r\n${quoteUnder('>')}`)).toEqual([])
  })

  it('are hidden where the attribution is quoted too', () => {
    expect(missed(attributions, text => `${NEW}\n\n> ${text}\n> \n${quoteUnder('> ')}`)).toEqual([])
  })

  it('F6 are hidden where the attribution is wrapped', () => {
    // Without a date nothing says that the line above the address belongs to it.
    const dated = attributions.filter(one => !/^(?:Quoting|Zitat)/.test(one.text))
    expect(missed(dated, text => `${NEW}\n\n${wrapped(text)}\n\n${quoteUnder('> ')}`)).toEqual([])
  })

  it('are hidden without marks, where the line names a verb or when and who', () => {
    const whole = attributions.filter(one => !/^(?:Quoting|Zitat|2013\/7\/20)/.test(one.text))
    expect(missed(whole, text => `${NEW}\n\n${text}\n\n${quoteUnder('')}`)).toEqual([])
  })

  it('are hidden under a mail’s head', () => {
    expect(
      missed(blocks, text => `${NEW}\n\n${text}\n\n${quoteUnder(text.startsWith('>') ? '> ' : '')}`),
    ).toEqual([])
  })

  it.each([
    'support',
    '"Lin, Ada (Shop)"',
    '王小明',
    'O’Neil & Sons, Inc.',
    'ada@shop.example',
    'Ада Линдгрен',
    'Dr. Ada B. Lin-Schmidt',
    '我的商店',
    'My Shop',
    'Shop 24/7',
  ])('are hidden whoever is quoted: %s', name => {
    expect(
      missed(attributions, text => `${NEW}\n\n${text.replaceAll('Ada Lin', name)}\n\n${quoteUnder('> ')}`),
    ).toEqual([])
  })

  it('are known by their shape alone: with every word of theirs made nonsense, 4 of 5 are hidden', () => {
    const share = (list: typeof attributions, prefix: string) =>
      1 - missed(list, text => `${NEW}\n\n${foreign(text)}\n\n${quoteUnder(prefix)}`).length / list.length
    expect(share(attributions, '> ')).toBeGreaterThanOrEqual(0.8)
    expect(share(blocks, '')).toBeGreaterThanOrEqual(0.8)
    expect(share(attributions, '')).toBeGreaterThanOrEqual(0.6)
  })

  it('a line like an attribution is none where an answer follows the marked lines (F2)', () => {
    for (const one of attributions) {
      const text = `${one.text}\n\n${quoteUnder('> ')}\n\nYes, please.`
      expect(newText(text), about(one)).toEqual({ content: text, rest: '', onlyQuote: false })
    }
  })

  it('F9 nothing but a quote is no new text', () => {
    for (const one of attributions) {
      const text = `${one.text}\n\n${quoteUnder('> ')}`
      expect(newText(text), about(one)).toEqual({ content: text, rest: '', onlyQuote: true })
    }
  })

  it('F11 the unseen mark of HTML is in neither part', () => {
    const view = newText(`${NEW}\n\n${QUOTE_BEGINS}Zu Ada:\n\n> old`)
    expect(view).toEqual({ content: NEW, rest: 'Zu Ada:\n\n> old', onlyQuote: false })
  })
})

it.each([
  'Ada Lin writes:',
  'Ada Lin schrieb:',
  'Jun 15, 2023, 15:38 by ada@shop.example:',
  '15. Juni 2023, 15:38 von ada@shop.example:',
])('F8 %s introduces marked lines only', line => {
  expect(newText(`${NEW}\n\n${line}\n\n${quoteUnder('> ')}`).content).toBe(NEW)
  expect(newText(`${NEW}\n\n${line}\n\n${quoteUnder('')}`).rest).toBe('')
})

describe('F4 the line above an attribution', () => {
  it.each([
    'Thanks',
    'I ordered 5 chairs',
    'my address is bob@x.example',
    'see <https://x.example/1>',
    'Order 4711, 2 pieces',
    'Best regards, Bob',
    '+886 2 1234 5678',
    '(see above)',
    '謝謝，訂單 4711',
  ])('is the writer’s own, without a blank line too: %s', line => {
    const lost = [...attributions, ...blocks].filter(
      one => !newText(`Hi,\n\n${line}\n${one.text}\n\n> Hello`).content.endsWith(line),
    )
    expect(lost.map(about)).toEqual([])
  })
})

describe('F1 what is passed on', () => {
  const head = 'Ro: Ada Lin <ada@shop.example>\nRe: 15.06.2023 15:38\nRi: x\nRu: Bob <bob@mail.example>'
  it.each([
    ['Gmail', `---------- Zuzan zanar ---------\n${head}\n\nThe text.`],
    ['Thunderbird', `-------- Zuzan zanar --------\n${head}\n\nThe text.`],
    ['Apple', `> Zanu zuzan zanar:\n> \n${head.replaceAll(/^/gm, '> ')}\n> \n> The text.`],
  ])('is kept in a language that nobody listed: %s', (_, forward) => {
    const text = `See below.\n\n${forward}`
    expect(newText(text)).toEqual({ content: text, rest: '', onlyQuote: false })
  })

  it.each([
    'Anfang der weitergeleiteten Nachricht:',
    'Début du message transféré :',
    'Inicio del mensaje reenviado:',
    'Inizio messaggio inoltrato:',
    'Begin doorgestuurd bericht:',
    'Vidarebefordrat brev:',
    'Start på videresendt besked:',
    'Videresendt melding:',
    'Välitetty viesti alkaa:',
    'Początek przekazywanej wiadomości:',
    'Začátek přeposílané zprávy:',
    'Továbbított levél kezdete:',
    'Начало переадресованного сообщения:',
    'İletilmiş mesajın başlangıcı:',
    'תחילת ההודעה שהועברה:',
    '転送されたメッセージ：',
    '전달된 메시지:',
    '以下是转发的邮件：',
    '以下是轉寄的郵件：',
    '開始轉寄郵件：',
  ])('is kept under Apple’s %s', line => {
    const text = `See below.\n\n${line}\n\nFrom: Ada <ada@shop.example>\nDate: 15 June 2023 15:38\nTo: Bob\nSubject: x\n\nThe text.`
    expect(newText(text).content).toBe(text)
  })
})

describe('F4 what people write themselves', () => {
  it.each([
    'Windows wrote:\n> error 5',
    'I wrote:\n> please help',
    'The Server wrote:\n> error 5',
    'Please change my booking of 5 May 2024 at 10:00, made by Bob <bob@x.example>, as follows:\n\nnew date 6 May',
    'Order placed on 5 May 2024 at 10:00 by Bob <bob@x.example>.\n\nWhere is it?',
    'I wrote to Ada <ada@shop.example> on 5 May 2024 at 10:00:\n\nno answer so far.',
    'Here is the log of 5 May 2024 10:00 from Bob <bob@x.example>:\n> npm run build\n> error',
    '2024-05-01 12:00:01 GET /index <none@x>:\n> 500\n\nWhat is this?',
    'Am 5.5.2024 um 10:00 habe ich bestellt:\n\n2 Stühle\n1 Tisch',
    'Am 5.5.2024 um 10:00 schrieb ich an Shop <shop@x.example>:\n\nBitte stornieren.',
    'Le 5 mai 2024 à 10:00 j’ai commandé:\n\n2 chaises',
    'El 5 de mayo de 2024 a las 10:00 compré:\n\n2 sillas',
    '2024年5月5日 10:00 我訂購了以下商品：\n\n椅子兩張',
    '我在2024年5月5日 10:00寫信給 service@shop.example：\n\n沒有人回覆',
    '訂單資料如下：\n\n訂單編號：123\n日期：2024年5月5日 10:00\n收件人：王小明\n地址：台北市\n\n請幫我改地址',
    '2024年5月5日に注文しました：\n\n椅子2つ',
    'Name: Bob\nEmail: bob@x.example\nPhone: 123\nDate: 5 May 2024 10:00\nMessage: Please refund.',
    'Customer: Bob <bob@x.example>\nOrdered: 5 May 2024 10:00\nItem: chair\n\nPlease cancel.',
    'Flight details\nFrom: London\nTo: Paris\nDate: 5 May 2024 10:00\nPassenger: Bob\n\nPlease rebook.',
    'Von: Berlin\nAn: München\nDatum: 5.5.2024\n\nBitte umbuchen.',
    'De: Madrid\nPara: Lisboa\nFecha: 5/5/2024\n\nGracias',
    'Od: Praha\nDo: Brno\nDatum: 5. 5. 2024\nCena: 100 Kč\n\nDěkuji',
    'My answers:\n\n- yes\n- no',
    'Error at 10:00:\n> Traceback\n> KeyError\n\nBob',
    'Bob said on Monday at 10:00:\n\nit is broken',
    'The invoice of 15.06.2023 (15:38) says:\n\nTotal: 5',
    'Hi,\n\n----- Order details -----\nFrom: Shop\nItem: 5\nSize: L\n\nPlease cancel it.',
    'Hi\n\n----------\nFirst: a\n----------\nSecond: b\nand c?',
    'I sent it from my iPhone yesterday.',
    'My phone:\niPhone 13',
    'Ich habe es mit dem iPhone gesendet',
    'It does not work on my Samsung Galaxy',
    'I use\n\nOutlook for iOS',
    'Does Outlook for Android work?',
    '<config>\n<date>2024-05-01 10:00</date>\n<mail>a@b.example</mail>\n</config>\n\nWhat is wrong?',
    'if (a > b) {\n> x\n}',
    'Subject: Refund\nDate: 5 May 2024\nOrder: 5\n\nPlease refund me',
    'Meeting:\nTo: all\nSubject: x\nWhen: tomorrow',
    'Dear Ada,\n\nas of 15 June 2023, 15:38, the status is:\n\nbroken',
    'Contacts:\nAda Lin <ada@shop.example>\nBob <bob@shop.example>\nEve <eve@shop.example>:\nall unknown to me',
    'Bought on 5 May 2024\nAda <ada@shop.example> told me: no refund.\n\nWhy?',
    'On Monday I wrote:\nplease help',
    'Przekazuję fakturę.\n\nDziękuję',
    'Von: 10:00\nBis: 12:00\nDatum: 5.5.2024\n\nPasst das?',
    'At 10:00:\n> a',
    'On 5 May 2024 at 10:00 Server returned:\n> 500 error',
    '15.06.2023 15:38 Server Error:\n> out of memory',
    'time 2023-06-15 15:38:00 user bob@x.example action:\n> login',
    '*From:* A\n*To:* B\n*Price:* 5',
    'From: 5 May 2024 10:00\nTo: 6 May 2024 10:00\nSubject: Holiday request\n\nIs the shop open?',
    'Alice> hello\nBob> hi\n\nThat is our chat. Why?',
    'Chat:\n[15.06.2023 15:38] Ada: hello\n[15.06.2023 15:39] Bob: hi',
    'Ada Lin, [15.06.2023 15:38]:\nhello\n\nThat is from Telegram.',
    'The server answered at 2023-06-15 15:38:\n\n500',
    'ordered 2023-06-15 15:38, paid 2023-06-16 10:00:\n\nnothing came',
    'Hi,\n\nTracking:\nShipped: 5 May 2024 10:00\nCarrier: DHL\nNumber: 5\nTo: Bob\n\nnot here yet',
  ])('%j is all new', text => expect(newText(text)).toEqual({ content: text, rest: '', onlyQuote: false }))

  it.each([
    'I sent it from my iPhone',
    'Habe ich mit dem iPhone gesendet.',
    'Ich habe das Bild mit meinem Handy gesendet',
    'The photo was sent',
    'Sent the parcel back on Monday',
    'Sent from London on Monday, order 5',
    'Enviado el lunes',
    'Inviato ieri il pacco',
    'Wysłałem z iPhone’a',
    'My phone is an iPhone 13',
    'Outlook for iOS',
    'iPhone 13 gönderildi mi?',
    'iPhone 13 sipariş ettim ama gönderildi',
    'iPhone の電源が入りません',
    '我的 iPhone 壞了',
    '手機無法傳送',
    'Gesendet wurde das Paket mit DHL',
    'Get me a refund',
    'I get an error in Outlook on Windows',
    'Verzonden naar Android-winkel?',
    'Sendt tilbake telefonen',
  ])('the last line %j is no signature', line => {
    const text = `Please help.\n\n${line}`
    expect(newText(text).content).toBe(text)
  })
})

it.each([
  'أُرسلت من الـ iPhone',
  'Enviat des del meu iPhone',
  'Odesláno z iPhonu',
  'Sendt fra min iPhone',
  'Von meinem iPhone gesendet',
  'Στάλθηκε από το iPhone μου',
  'Lähetetty iPhonesta',
  'נשלח מה-iPhone שלי',
  'मेरे iPhone से भेजा गया',
  'Poslano s mog iPhonea',
  'Elküldve az iPhone-omról',
  'iPhone-omról küldve',
  'Dikirim dari iPhone saya',
  'iPhoneから送信',
  '나의 iPhone에서 보냄',
  'Dihantar daripada iPhone saya',
  'Verstuurd vanaf mijn iPhone',
  'Wysłane z iPhone’a',
  'Trimis de pe iPhone-ul meu',
  'Odoslané z môjho iPhonu',
  'ส่งจาก iPhone ของฉัน',
  'iPhone’umdan gönderildi',
  'Надіслано з iPhone',
  'Đã gửi từ iPhone của tôi',
  '发自我的 iPhone',
  '從我的 iPhone 傳送',
  '自我的 iPhone 傳送',
  'Get Outlook for iOS',
  'Get Outlook for Android<https://aka.ms/AAb9ysg>',
  'Outlook für iOS beziehen',
  'Télécharger Outlook pour iOS',
  'Obtener Outlook para iOS',
  'Scarica Outlook per iOS',
  'Obter o Outlook para iOS',
  'Загрузить Outlook для iOS',
  '取得 iOS 版 Outlook',
  '获取 Outlook for iOS',
  'iOS 版 Outlook を入手する',
  'Outlook for iOS 다운로드',
  'Pobierz program Outlook dla systemu iOS',
  'Hämta Outlook för iOS',
  'Hent Outlook til iOS',
  'Outlook voor iOS downloaden',
  'Stáhnout Outlook pro iOS',
  'Letöltés: iOS Outlook',
  'iOS için Outlook’u edinin',
  'Sent with Proton Mail secure email.',
  'Gesendet mit Proton Mail',
  'Envoyé avec Proton Mail',
  'Sent from Yahoo Mail for iPhone',
  'Enviado desde Yahoo Mail para Android',
  'Envoyé à partir de Yahoo Mail pour Android',
  '從 Android 上的 Yahoo奇摩電子信箱 傳送',
  'Von meinem Samsung Galaxy Smartphone gesendet.',
  'Enviado desde mi Galaxy',
  'Envoyé depuis mon appareil Galaxy',
  'Verzonden vanaf mijn Galaxy',
  'Inviato dal mio Galaxy',
  'Sent from my Galaxy',
  'Отправлено из мобильной Почты Mail.ru',
  'Отправлено из Яндекс.Почты для мобильных',
  'Wysłano z iPhone',
  'Изпратено от моя iPhone',
  'Послато са мог iPhone-а',
  'Išsiųsta iš mano iPhone',
  'Nosūtīts no mana iPhone',
  'Saadetud minu iPhone’ist',
  'Sent fra min Android-telefon',
  '發自我的 iPhone',
  '发自我的小米手机',
  '发自我的华为手机',
  'Sent from my Huawei phone',
  '從我的手機傳送',
  'Poslano z mojega iPhona',
  'ارسال شده از iPhone من',
  'Nire iPhonetik bidalia',
  'Ipinadala mula sa aking iPhone',
  'Enviado dende o meu iPhone',
  'Gestuur vanaf my iPhone',
  'iPhone のメールから送信',
  'Sent from Mail for Windows',
  'Gesendet aus Mail für Windows',
  'Von Outlook für Android gesendet',
])('F10 %j is hidden', line => {
  expect(newText(`Please help.\n\n${line}`)).toEqual({
    content: 'Please help.',
    rest: line,
    onlyQuote: false,
  })
})
