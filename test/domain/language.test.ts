import { describe, expect, it } from 'vitest'
import { languageOf } from '../../src/domain/language.ts'

describe('the language of a text', () => {
  it.each([
    ['Hello, where is my order? I have not received it.', 'en'],
    ['How can I reset my password?', 'en'],
    ['Guten Tag, ich habe meine Bestellung noch nicht erhalten. Wo ist sie?', 'de'],
    ['Bonjour, je n’ai pas reçu ma commande. Où est-elle ?', 'fr'],
    ['Hola, no he recibido mi pedido. ¿Dónde está?', 'es'],
    ['Buongiorno, non ho ricevuto il mio ordine. Dove è?', 'it'],
    ['Olá, não recebi a minha encomenda. Onde está?', 'pt'],
    ['Hallo, ik heb mijn bestelling niet ontvangen. Waar is het pakket?', 'nl'],
    ['Hej, jag har inte fått min beställning. Var är den?', 'sv'],
    ['Hei, jeg har ikke fått bestillingen min. Når kommer den?', 'no'],
    ['Hej, jeg har ikke fået min ordre. Hvornår kommer den af sted?', 'da'],
    ['Hei, en ole saanut tilaustani. Missä se on?', 'fi'],
    ['Dzień dobry, nie dostałem mojego zamówienia. Gdzie jest?', 'pl'],
    ['Dobrý den, nedostal jsem svou objednávku. Kde je?', 'cs'],
    ['Merhaba, siparişim nerede? Teşekkürler', 'tr'],
    ['Xin chào, tôi chưa nhận được đơn hàng', 'vi'],
    ['請問我的訂單什麼時候會到？', 'zh-TW'],
    ['请问我的订单什么时候会到？', 'zh-CN'],
    ['我想退款，訂單 A-12345 還沒到 iPhone 15 Pro', 'zh-TW'],
    ['发票在哪里下载', 'zh-CN'],
    ['退款', 'zh-TW'],
    ['注文した商品がまだ届きません', 'ja'],
    ['주문한 상품이 아직 도착하지 않았습니다', 'ko'],
    ['Здравствуйте, где мой заказ?', 'ru'],
    ['Добрий день, де моє замовлення?', 'uk'],
    ['Καλημέρα, πού είναι η παραγγελία μου;', 'el'],
    ['أين طلبي؟', 'ar'],
    ['איפה ההזמנה שלי?', 'he'],
    ['สินค้าของฉันอยู่ที่ไหน', 'th'],
    ['', 'und'],
    ['12345 !!! 😀', 'und'],
    ['xqzt', 'und'],
  ])('%j is %s', (text, language) => {
    expect(languageOf(text)).toBe(language)
    expect(languageOf(text.toUpperCase())).toBe(language)
  })

  it('takes a megabyte at once', () => {
    const started = performance.now()
    for (const unit of ['a ', '退', 'ä', '😀']) languageOf(unit.repeat(1_000_000 / unit.length))
    expect(performance.now() - started).toBeLessThan(500)
  })
})
