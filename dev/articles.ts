/** What the demo's assistant knows: a small shop's help pages, in English, Traditional and Simplified Chinese. */
export interface DemoArticle {
  key: string
  language: string
  title: string
  body: string
}

/** What the demo's chat says first. */
export const demoChat = {
  title: 'Demo shop',
  greeting: {
    en: 'Hello! I am Ada, the assistant of this shop. What can I do for you?',
    'zh-TW': '您好！我是本店的助理 Ada，請問需要什麼協助？',
    'zh-CN': '您好！我是本店的助理 Ada，请问需要什么帮助？',
  },
  suggestedQuestions: {
    en: ['How do I get a refund?', 'Where is my parcel?', 'I forgot my password'],
    'zh-TW': ['如何申請退款？', '我的包裹在哪裡？', '我忘記密碼了'],
    'zh-CN': ['如何申请退款？', '我的包裹在哪里？', '我忘记密码了'],
  },
}

export const demoArticles: DemoArticle[] = [
  {
    key: 'refunds',
    language: 'en',
    title: 'Refunds and returns',
    body: 'You can return anything within 30 days of delivery and get your money back. Send us the order number; we reply with a return label. The refund is paid to the card or account you paid with, within 5 working days after the parcel reaches us.',
  },
  {
    key: 'refunds',
    language: 'zh-TW',
    title: '退款與退貨',
    body: '商品送達後 30 天內皆可退貨並全額退款。請告訴我們訂單編號，我們會寄給您退貨標籤。收到包裹後 5 個工作天內，款項會退回您原本付款的信用卡或帳戶。',
  },
  {
    key: 'password',
    language: 'en',
    title: 'Sign in, and reset your password',
    body: 'Open the sign-in page and choose "Forgot password". We send a link to your e-mail address; it is good for one hour. If no mail arrives, look in the spam folder, or check that you signed up with this address.',
  },
  {
    key: 'password',
    language: 'zh-TW',
    title: '登入與重設密碼',
    body: '請開啟登入頁面並點選「忘記密碼」。我們會寄送連結到您的電子郵件信箱，連結有效時間為一小時。若沒有收到郵件，請檢查垃圾郵件匣，或確認您註冊時使用的是這個信箱。',
  },
  {
    key: 'shipping',
    language: 'en',
    title: 'Shipping, delivery and tracking a parcel',
    body: 'Orders placed before 14:00 are shipped the same day. Delivery takes 2 to 4 working days within the country and 5 to 9 abroad. Shipping is free above 50 euros; below that it costs 4.90. Where is my parcel? The tracking link is in the mail we send when it leaves; if nothing has arrived after ten working days, write to us with the order number.',
  },
  {
    key: 'shipping',
    language: 'zh-TW',
    title: '運送時間、運費與包裹追蹤',
    body: '下午兩點前完成的訂單當天出貨。國內配送需要 2 到 4 個工作天，國外為 5 到 9 個工作天。訂單滿 1500 元免運費，未滿則酌收 80 元運費。包裹寄出時，我們會寄給您含有追蹤連結的郵件；若想知道包裹到哪裡了，請點選連結。十個工作天後仍未收到包裹，請告訴我們訂單編號。',
  },
  {
    key: 'invoice',
    language: 'en',
    title: 'Invoices and receipts',
    body: 'An invoice comes with every order as a PDF in the confirmation mail. To change the company name or the VAT number on it, reply with the order number and the correct details; we send a new invoice within one working day.',
  },
  {
    key: 'invoice',
    language: 'zh-TW',
    title: '發票與收據',
    body: '每筆訂單的確認信都會附上 PDF 電子發票。若需要修改發票抬頭或統一編號，請回信告知訂單編號與正確資料，我們會在一個工作天內補開新的發票。',
  },
  {
    key: 'hours',
    language: 'en',
    title: 'Opening hours: when we are open',
    body: 'Our support team works Monday to Friday from 9:00 to 18:00 (Taipei time). Outside these hours the assistant answers at once, and a person follows up on the next working day.',
  },
  {
    key: 'hours',
    language: 'zh-TW',
    title: '客服時間：幾點上班、幾點下班',
    body: '客服團隊的服務時間為週一至週五上午九點到下午六點（台北時間）。非服務時間由自動助理立即回覆，真人客服會在下一個工作天跟進。',
  },
  {
    key: 'refunds',
    language: 'zh-CN',
    title: '退款与退货',
    body: '商品送达后 30 天内均可退货并全额退款。请告诉我们订单编号，我们会寄给您退货标签。收到包裹后 5 个工作日内，款项会退回您原来付款的银行卡或账户。',
  },
  {
    key: 'password',
    language: 'zh-CN',
    title: '登录与重置密码',
    body: '请打开登录页面并点击“忘记密码”。我们会把链接发送到您的电子邮箱，链接一小时内有效。如果没有收到邮件，请检查垃圾邮件箱，或确认您注册时使用的是这个邮箱。',
  },
  {
    key: 'shipping',
    language: 'zh-CN',
    title: '配送时间、运费与包裹查询',
    body: '下午两点前完成的订单当天发货。国内配送需要 2 到 4 个工作日，国外为 5 到 9 个工作日。订单满 350 元免运费，未满则收取 20 元运费。想知道包裹到哪里了，请点击发货邮件里的查询链接。',
  },
  {
    key: 'invoice',
    language: 'zh-CN',
    title: '发票与收据',
    body: '每笔订单的确认邮件都附有 PDF 电子发票。如需修改发票抬头或税号，请回复邮件告知订单编号与正确资料，我们会在一个工作日内重新开具发票。',
  },
  {
    key: 'hours',
    language: 'zh-CN',
    title: '客服时间：几点上班、几点下班',
    body: '客服团队的服务时间为周一至周五上午九点到下午六点（台北时间）。非服务时间由自动助理立即回复，人工客服会在下一个工作日跟进。',
  },
]
