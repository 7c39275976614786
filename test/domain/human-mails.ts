/**
 * Forty mails that people wrote, in the forms in which mail programs, providers and gateways hand them over, each with something
 * that looks like a machine to somebody. None may be suppressed. Written for this test; names and hosts are made up.
 */
import type { VerdictFacts } from '../../src/domain/verdict.ts'

export interface HumanMail {
  what: string
  raw: string
  /** What else is known of it. */
  facts?: Partial<VerdictFacts>
  /** Why no answer leaves by itself; absent where it may. */
  reasons?: string[]
}

/** Header lines and text, as they stand; `to` is added where they name nobody. */
const mail = (lines: string) => {
  const raw = lines.replace(/^\n/, '')
  const to = /^to:/im.test(raw.slice(0, raw.indexOf('\n\n'))) ? '' : 'To: support@shop.example\n'
  return `${to}${raw}`.replaceAll('\n', '\r\n')
}

/** A Google Group that is our address, as it puts its own marks on what it hands on. */
const GROUP = `Precedence: list
Mailing-list: list support@shop.example; contact support+owners@shop.example
List-ID: <support.shop.example>
X-Spam-Checked-In-Group: support@shop.example
X-Google-Group-Id: 175645748590
List-Post: <https://groups.google.com/a/shop.example/group/support/post>, <mailto:support@shop.example>
List-Help: <https://support.google.com/a/shop.example/bin/topic.py?topic=25838>, <mailto:support+help@shop.example>
List-Archive: <https://groups.google.com/a/shop.example/group/support/>
List-Unsubscribe: <mailto:googlegroups-manage+175645748590+unsubscribe@googlegroups.com>,
 <https://groups.google.com/a/shop.example/group/support/subscribe>`

export const HUMAN_MAILS: HumanMail[] = [
  {
    what: 'Gmail on the web, English, about a delivery failure',
    raw: mail(`
Return-Path: <maria.lopez@gmail.com>
Received: from mail-yw1-f181.google.com (mail-yw1-f181.google.com. [209.85.128.181]) by mx.google.com with ESMTPS id 1
MIME-Version: 1.0
From: Maria Lopez <maria.lopez@gmail.com>
Date: Mon, 2 Nov 2026 09:12:44 -0500
Message-ID: <CAO8s1+Qx7yEXAMPLE@mail.gmail.com>
Subject: Delivery failure - my parcel never arrived
Content-Type: text/plain; charset="UTF-8"

Hello, the tracking page says "recipient address unknown, status 4.1", and the host of the pickup shop knows nothing.
Order 5.1.2026 / 4471. Could you please check the address?
`),
  },
  {
    what: 'Gmail on the web, about mail returned by post, with a version that looks like a status code',
    raw: mail(`
Return-Path: <ben.carter@gmail.com>
MIME-Version: 1.0
From: Ben Carter <ben.carter@gmail.com>
Date: Mon, 2 Nov 2026 09:12:44 -0500
Message-ID: <CAF1d5cEXAMPLE2@mail.gmail.com>
Subject: Returned mail: parcel came back to you
Content-Type: text/plain; charset="UTF-8"

My firmware is 5.1.1 and the mailbox sensor I ordered was returned to you by the post, "recipient unknown".
My address is right. Please send it again.
`),
  },
  {
    what: 'Gmail for Android, zh-TW, about the automatic reply',
    raw: mail(`
Return-Path: <lin.yating@gmail.com>
MIME-Version: 1.0
From: =?UTF-8?B?5p6X6ZuF5am3?= <lin.yating@gmail.com>
Date: Mon, 2 Nov 2026 21:03:10 +0800
Message-ID: <CAAbcEXAMPLE3@mail.gmail.com>
Subject: =?UTF-8?B?6Ieq5YuV5Zue6KaG5Yqf6IO95oCO6bq86Zec77yf?=
Content-Type: text/plain; charset="UTF-8"
Content-Transfer-Encoding: base64

5oiR5Zyo6Kit5a6a6KOh5om+5LiN5Yiw6Ieq5YuV5Zue6KaG55qE6ZaL6Zec77yM6KuL5ZWP5Zyo
5ZOq6KOh77yfCg==
`),
  },
  {
    what: 'Outlook.com, German, about an out-of-office note that does not work',
    raw: mail(`
Received: from AM0PR02MB5.eurprd02.prod.outlook.com ([fe80::1]) by AM0PR02MB5.eurprd02.prod.outlook.com with mapi id 15.20
From: Sabine Vogt <sabine.vogt@outlook.de>
Subject: Abwesenheitsnotiz funktioniert nicht
Thread-Topic: Abwesenheitsnotiz funktioniert nicht
Thread-Index: AQHbLEXAMPLE==
Date: Mon, 2 Nov 2026 14:20:01 +0000
Message-ID: <AM0PR02MB5EXAMPLE4@AM0PR02MB5.eurprd02.prod.outlook.com>
X-MS-Has-Attach:
X-Auto-Response-Suppress: DR, RN, NRN
X-MS-TNEF-Correlator:
X-MS-Exchange-MessageSentRepresentingType: 1
Content-Type: text/plain; charset="iso-8859-1"
Content-Transfer-Encoding: quoted-printable
MIME-Version: 1.0

Guten Tag, seit gestern kommt bei mir keine Abwesenheitsnotiz mehr an. K=F6nnen Sie helfen?
`),
  },
  {
    what: 'Exchange, English, high importance, with both receipts asked for',
    raw: mail(`
Received: from LO2P123MB1.GBRP123.PROD.OUTLOOK.COM (2603:10a6::1) by LO2P123MB2.GBRP123.PROD.OUTLOOK.COM with HTTPS; Mon, 2 Nov 2026 08:00:00 +0000
From: "Harris, Tom" <tom.harris@northwind.example>
Subject: Undeliverable: parcel 5512
Thread-Topic: Undeliverable: parcel 5512
Importance: high
X-Priority: 1
Priority: urgent
Date: Mon, 2 Nov 2026 08:00:00 +0000
Message-ID: <LO2P123MB1EXAMPLE5@LO2P123MB1.GBRP123.PROD.OUTLOOK.COM>
Disposition-Notification-To: "Harris, Tom" <tom.harris@northwind.example>
Return-Receipt-To: <tom.harris@northwind.example>
X-Auto-Response-Suppress: DR, RN, NRN
X-MS-Exchange-Organization-AuthAs: Internal
X-MS-Exchange-CrossTenant-Id: 11111111-2222-3333-4444-555555555555
Content-Type: text/plain; charset="utf-8"
MIME-Version: 1.0

The courier wrote "address unknown" on parcel 5512 and took it away. What now?
`),
  },
  {
    what: 'Apple Mail, French, about a missing answer',
    raw: mail(`
Return-Path: <claire.dubois@icloud.com>
From: Claire Dubois <claire.dubois@icloud.com>
Content-Type: text/plain; charset=utf-8
Mime-Version: 1.0 (Mac OS X Mail 16.0 \\(3774.300.61.1.2\\))
Subject: =?utf-8?Q?Absence_de_r=C3=A9ponse_=C3=A0_mon_courriel?=
Message-Id: <0B1C2D3E-EXAMPLE-6@icloud.com>
Date: Mon, 2 Nov 2026 10:11:12 +0100
X-Mailer: Apple Mail (2.3774.300.61.1.2)

Bonjour, je vous ai écrit il y a une semaine et je n’ai pas eu de réponse.
`),
  },
  {
    what: 'iPhone, Japanese, somebody was out when the parcel came',
    raw: mail(`
Return-Path: <sato@ezweb.example>
From: =?utf-8?B?5L2Q6Jek?= <sato@ezweb.example>
Content-Type: text/plain; charset=utf-8
Mime-Version: 1.0 (1.0)
Subject: =?utf-8?B?5LiN5Zyo44Gu44Gf44KB5Y+X44GR5Y+W44KM44G+44Gb44KT44Gn44GX44Gf?=
Date: Mon, 2 Nov 2026 19:20:00 +0900
Message-Id: <EXAMPLE7@ezweb.example>
X-Mailer: iPhone Mail (22B83)

昨日は不在のため荷物を受け取れませんでした。再配達をお願いします。
`),
  },
  {
    what: 'Yahoo Mail, Spanish, wants to send something back',
    raw: mail(`
Return-Path: <pedro_garcia77@yahoo.es>
Date: Mon, 2 Nov 2026 11:00:00 +0000 (UTC)
From: Pedro Garcia <pedro_garcia77@yahoo.es>
Message-ID: <1234567890.EXAMPLE8.1762081200000@mail.yahoo.com>
Subject: =?UTF-8?Q?Devoluci=C3=B3n_de_mi_pedido?=
MIME-Version: 1.0
X-Mailer: WebService/1.1.22 YMailNorrin
Content-Type: text/plain; charset=UTF-8

Hola, quiero devolver el pedido 550. ¿A qué dirección lo envío?
`),
  },
  {
    what: 'Thunderbird, Dutch, away when it was to be delivered',
    raw: mail(`
Return-Path: <j.devries@xs4all.example>
Message-ID: <6b0f4c1a-example-9@xs4all.example>
Date: Mon, 2 Nov 2026 12:00:00 +0100
MIME-Version: 1.0
User-Agent: Mozilla Thunderbird
Content-Language: nl
From: Jan de Vries <j.devries@xs4all.example>
Subject: Afwezig - pakket bij de buren?
Content-Type: text/plain; charset=UTF-8; format=flowed

Goedemiddag, ik was niet thuis. Bij welke buren ligt mijn pakket?
`),
    reasons: ['out_of_office'],
  },
  {
    what: 'iPhone, English, on vacation until Friday',
    raw: mail(`
Return-Path: <amy@hotmail.example>
From: Amy Chen <amy@hotmail.example>
Mime-Version: 1.0 (1.0)
Subject: On vacation until Friday, please hold my parcel
Date: Mon, 2 Nov 2026 08:30:00 -0800
Message-Id: <EXAMPLE10@hotmail.example>
X-Mailer: iPhone Mail (21F90)
Content-Type: text/plain; charset=us-ascii

Hi! I am away until Friday. Could you please hold my parcel until then?
`),
    reasons: ['out_of_office'],
  },
  {
    what: 'QQ Mail, zh-CN, a parcel that came back',
    raw: mail(`
X-QQ-mid: webmail812t1762081200t1234567
From: "=?utf-8?B?546L5bCP5piO?=" <123456789@qq.com>
Subject: =?utf-8?B?6YCA5L+h77ya5oiR55qE5YyF6KO56KKr6YCA5Zue5LqG?=
Mime-Version: 1.0
Date: Mon, 2 Nov 2026 19:00:00 +0800
X-Priority: 3
Message-ID: <tencent_EXAMPLE11@qq.com>
X-QQ-MIME: TCMime 1.0 by Tencent
X-Mailer: QQMail 2.x
Content-Type: text/plain; charset="utf-8"

你好，快递说地址不详，包裹被退回了。请问怎么重新寄？
`),
  },
  {
    what: '163 webmail, zh-CN, is tired of automatic answers',
    raw: mail(`
Received: from zhang_wei$163.com ( [203.0.113.7] ) by ajax-webmail-wmsvr-40-100 (Coremail) ; Mon, 2 Nov 2026 20:00:00 +0800 (CST)
Date: Mon, 2 Nov 2026 20:00:00 +0800 (CST)
From: =?UTF-8?B?5byg5Lyf?= <zhang_wei@163.com>
Subject: =?UTF-8?B?6Ieq5Yqo5Zue5aSNIOaAu+aYr+etlOmdnuaJgOmXrg==?=
X-Priority: 3
X-Mailer: Coremail Webmail Server Version XT5.0.14
Message-ID: <EXAMPLE12.1762@163.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8

你们的自动回复总是答非所问，请让真人来回答我。
`),
  },
  {
    what: 'Outlook for Android, Korean, about a missed call',
    raw: mail(`
From: =?UTF-8?B?6rmA66+87IiY?= <minsu.kim@naver.example>
Subject: =?UTF-8?B?67aA7J6s7KSRIOyghO2ZlCDso7zshajrgpjsmpQ/?=
Thread-Topic: x
Date: Mon, 2 Nov 2026 11:11:11 +0000
Message-ID: <SL2PR01EXAMPLE13@SL2PR01.KORP.PROD.OUTLOOK.COM>
X-Auto-Response-Suppress: DR, RN, NRN
Content-Type: text/plain; charset="utf-8"
MIME-Version: 1.0

부재중 전화가 와 있어서 메일 드립니다. 주문 관련인가요?
`),
  },
  {
    what: 'Samsung Email, Portuguese, an order that was not delivered',
    raw: mail(`
Return-Path: <joana@uol.example>
Date: Mon, 02 Nov 2026 09:00:00 -0300
Subject: =?UTF-8?Q?N=C3=A3o_entregue=3A_pedido_4471?=
Message-ID: <abcdefghij.EXAMPLE14@email.android.com>
Importance: normal
From: Joana Lima <joana@uol.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

O entregador disse "endereço desconhecido", CEP 04550-110. Podem verificar?
`),
  },
  {
    what: 'GMX, German, sensitivity and importance said to be normal, Precedence too',
    raw: mail(`
MIME-Version: 1.0
Message-ID: <trinity-example-15-1762081200@3c-app-gmx-bs51>
From: Uwe Krause <uwe.krause@gmx.example>
Subject: Zustellung verpasst
Content-Type: text/plain; charset=UTF-8
Date: Mon, 2 Nov 2026 12:30:00 +0100
Importance: normal
Sensitivity: Normal
Precedence: normal
X-Priority: 3
X-UI-Message-Type: mail

Hallo, ich habe die Zustellung verpasst. Wann kommt der Bote wieder?
`),
  },
  {
    what: 'mail.ru, Russian, about an answering machine',
    raw: mail(`
From: =?UTF-8?B?0JjQstCw0L0g0J/QtdGC0YDQvtCy?= <ivan.petrov@mail.ru>
Subject: =?UTF-8?B?0JDQstGC0L7QvtGC0LLQtdGC0YfQuNC6INC90LUg0YDQsNCx0L7RgtCw0LXRgg==?=
MIME-Version: 1.0
X-Mailer: Mail.Ru Mailer 1.0
Date: Mon, 02 Nov 2026 15:00:00 +0300
X-Priority: 3 (Normal)
Message-ID: <1762081200.EXAMPLE16@f373.i.mail.ru>
Content-Type: text/plain; charset=utf-8

Здравствуйте! Автоответчик на сайте не работает. Как с вами связаться?
`),
  },
  {
    what: 'Outlook, Polish, answers a note that our machine had sent',
    raw: mail(`
From: Anna Nowak <anna.nowak@wp.example>
Subject: =?utf-8?Q?Odp:_Automatic_reply:_zam=C3=B3wienie_4471?=
In-Reply-To: <answer.1@shop.example>
References: <question.1@wp.example> <answer.1@shop.example>
Date: Mon, 2 Nov 2026 13:00:00 +0100
Message-ID: <DB9PR01EXAMPLE17@DB9PR01.eurprd01.prod.exchangelabs.com>
X-Mailer: Microsoft Outlook 16.0
Thread-Index: AQHEXAMPLE17==
Content-Type: text/plain; charset="utf-8"
MIME-Version: 1.0

Dziękuję, ale to nie jest odpowiedź na moje pytanie.
`),
  },
  {
    what: 'Gmail, Turkish, wants a real person instead of the automatic answer',
    raw: mail(`
MIME-Version: 1.0
From: Elif Demir <elif.demir@gmail.com>
Date: Mon, 2 Nov 2026 16:00:00 +0300
Message-ID: <CAEXAMPLE18@mail.gmail.com>
Subject: =?UTF-8?Q?Otomatik_yan=C4=B1t_yerine_ger=C3=A7ek_ki=C5=9Fi_istiyorum?=
Content-Type: text/plain; charset="UTF-8"

Merhaba, lütfen bir insanla konuşmak istiyorum.
`),
  },
  {
    what: 'Gmail, Arabic, asks whether this is a machine',
    raw: mail(`
MIME-Version: 1.0
From: =?UTF-8?B?2LPYp9ix2Kk=?= <sara@gmail.com>
Date: Mon, 2 Nov 2026 16:00:00 +0200
Message-ID: <CAEXAMPLE19@mail.gmail.com>
Subject: =?UTF-8?B?2LHYryDYqtmE2YLYp9im2YrYnyDYo9ix2YrYryDYp9mE2KrYrdiv2Ksg2YXYuSDYtNiu2LU=?=
Content-Type: text/plain; charset="UTF-8"

هل هذا رد آلي؟ أريد التحدث مع شخص حقيقي من فضلكم.
`),
  },
  {
    what: 'HTML alone, Vietnamese',
    raw: mail(`
MIME-Version: 1.0
From: =?UTF-8?B?Tmd1eeG7hW4gTGFu?= <lan.nguyen@gmail.com>
Date: Mon, 2 Nov 2026 20:00:00 +0700
Message-ID: <CAEXAMPLE20@mail.gmail.com>
Subject: =?UTF-8?B?VHLhuqMgbOG7nWkgdOG7sSDEkeG7mW5nIGPhu6dhIHNob3Agc2FpIHLhu5Np?=
Content-Type: text/html; charset="UTF-8"

<div dir="ltr">Chào shop, câu trả lời tự động <b>không đúng</b> với câu hỏi của tôi.</div>
`),
  },
  {
    what: 'signed with S/MIME, Swedish, through a gateway that says it looked for viruses',
    raw: mail(`
From: Karin Berg <karin.berg@kommun.example>
Subject: =?utf-8?Q?Fr=C3=A5nvaro_av_leverans?=
Date: Mon, 2 Nov 2026 09:00:00 +0100
Message-ID: <EXAMPLE21@kommun.example>
X-Virus-Scanned: by amavisd-new at kommun.example
X-MS-Exchange-Transport-CrossTenantHeadersStamped: AM0PR02
MIME-Version: 1.0
Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary="s"

--s
Content-Type: text/plain; charset=utf-8

Hej, leveransen uteblev i går. När kommer den?
--s
Content-Type: application/pkcs7-signature; name=smime.p7s
Content-Transfer-Encoding: base64

MIIB
--s--
`),
  },
  {
    what: 'a fan of mailer daemons',
    raw: mail(`
From: "Mailer Daemon Fan" <fan@metal.example>
Subject: Mailer-Daemon tour shirts
Date: Mon, 2 Nov 2026 09:00:00 +0100
Message-ID: <EXAMPLE22@metal.example>
Content-Type: text/plain

Do you still have the "Mail Delivery Subsystem" shirt in L?
`),
  },
  {
    what: 'somebody at postmaster-fan@, with a bounce in his local part’s other half',
    raw: mail(`
Return-Path: <postmaster-fan@bounce-house.example>
From: Phil <postmaster-fan@bounce-house.example>
Reply-To: Phil <bounce-castle-rentals@bounce-house.example>
Subject: Undelivered castle
Date: Mon, 2 Nov 2026 09:00:00 +0100
Message-ID: <EXAMPLE23@bounce-house.example>
Content-Type: text/plain

The castle did not arrive on Saturday. Where is it?
`),
  },
  {
    what: 'a customer forwards a bounce to ask about it (Gmail)',
    raw: mail(`
MIME-Version: 1.0
From: Rosa Conti <rosa.conti@gmail.com>
Date: Mon, 2 Nov 2026 09:00:00 +0100
Message-ID: <CAEXAMPLE24@mail.gmail.com>
Subject: Fwd: Undelivered Mail Returned to Sender
Content-Type: text/plain; charset="UTF-8"

Buongiorno, la mia mail al vostro ufficio è tornata indietro. Qual è l'indirizzo giusto?

---------- Forwarded message ---------
From: Mail Delivery System <MAILER-DAEMON@mx.gmail.example>
Date: Sun, Nov 1, 2026 at 10:00
Subject: Undelivered Mail Returned to Sender
To: <rosa.conti@gmail.com>

<suport@shop.example>: host mx.shop.example[192.0.2.25] said: 550 5.1.1
    <suport@shop.example>: Recipient address rejected: User unknown
`),
  },
  {
    what: 'a customer attaches the bounce that she asks about (Apple Mail)',
    raw: mail(`
From: Rosa Conti <rosa.conti@icloud.com>
Subject: Failure notice
X-Mailer: Apple Mail (2.3774)
Date: Mon, 2 Nov 2026 09:00:00 +0100
Message-ID: <EXAMPLE25@icloud.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="m"

--m
Content-Type: text/plain; charset=utf-8

I got the attached from your server: 550 5.1.1 recipient unknown. What does it mean?
--m
Content-Type: message/delivery-status

Final-Recipient: rfc822; suport@shop.example
Action: failed
Status: 5.1.1
--m
Content-Type: message/rfc822

From: MAILER-DAEMON@mx.shop.example
Subject: failure notice
Message-ID: <bounce@mx.shop.example>

No such user.
--m--
`),
  },
  {
    what: 'an invitation with a text, sent by a person (Outlook)',
    raw: mail(`
From: Lars Holm <lars.holm@fjord.example>
Subject: Besøk i butikken
Date: Mon, 2 Nov 2026 09:00:00 +0100
Message-ID: <EXAMPLE26@fjord.example>
X-Auto-Response-Suppress: DR, RN, NRN
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="c"

--c
Content-Type: text/plain; charset=utf-8

Hei, passer torsdag klokken ti for et besøk?
--c
Content-Type: text/calendar; charset=utf-8; method=REQUEST

BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VEVENT
SUMMARY:Besøk
END:VEVENT
END:VCALENDAR
--c--
`),
  },
  {
    what: 'a read receipt is asked for, and what has been said about one (Thunderbird, French)',
    raw: mail(`
Return-Path: <paul@orange.example>
Message-ID: <EXAMPLE27@orange.example>
Date: Mon, 2 Nov 2026 12:00:00 +0100
User-Agent: Mozilla Thunderbird
Disposition-Notification-To: Paul Martin <paul@orange.example>
Return-Receipt-To: paul@orange.example
From: Paul Martin <paul@orange.example>
Subject: Message non distribué ?
Content-Type: text/plain; charset=UTF-8

Avez-vous reçu mon message ? Le serveur disait « delivery status: 4.4.1 » puis plus rien.
`),
  },
  {
    what: 'through a Google Group that is our address',
    raw: mail(`
Delivered-To: desk@shop.example
Return-Path: <support+bncBCA5XFGRYQLCBEXAMPLE@shop.example>
From: Olga Bondar <olga.bondar@ukr.example>
To: support@shop.example
Subject: =?UTF-8?B?0JTQtSDQvNC+0ZQg0LfQsNC80L7QstC70LXQvdC90Y8/?=
Date: Mon, 2 Nov 2026 09:00:00 +0200
Message-ID: <EXAMPLE28@ukr.example>
X-Original-Sender: olga.bondar@ukr.example
X-Original-Authentication-Results: mx.google.com; dkim=pass header.i=@ukr.example
${GROUP}
Content-Type: text/plain; charset="UTF-8"

Добрий день, де моє замовлення?
`),
  },
  {
    what: 'through a Google Group that put its address in place of the writer’s',
    raw: mail(`
Delivered-To: desk@shop.example
Return-Path: <support+bncBCA5XFGRYQLCBEXAMPLE@shop.example>
From: "'Rita Moor' via Support" <support@shop.example>
To: "support@shop.example" <support@shop.example>
Subject: My order
Date: Mon, 2 Nov 2026 09:00:00 +0000
Message-ID: <1234.EXAMPLE29@mail.yahoo.com>
X-Original-Sender: rita.moor@yahoo.com
X-Original-From: Rita Moor <rita.moor@yahoo.com>
Reply-To: Rita Moor <rita.moor@yahoo.com>
${GROUP}
Content-Type: text/plain; charset="UTF-8"

Hello, where is my order?
`),
    facts: { authentication: 'pass' },
    reasons: ['own_list', 'rewritten_sender', 'reply_unproved'],
  },
  {
    what: 'through a Mailman list of ours',
    raw: mail(`
Return-Path: <support-bounces@lists.shop.example>
From: Niko Virtanen <niko@suomi.example>
To: support@lists.shop.example
Subject: [Support] Tilaus
Date: Mon, 2 Nov 2026 09:00:00 +0200
Message-ID: <EXAMPLE30@suomi.example>
X-BeenThere: support@lists.shop.example
X-Mailman-Version: 2.1.39
Precedence: list
List-Id: Support <support.lists.shop.example>
List-Unsubscribe: <https://lists.shop.example/mailman/options/support>,
 <mailto:support-request@lists.shop.example?subject=unsubscribe>
List-Archive: <https://lists.shop.example/pipermail/support/>
List-Post: <mailto:support@lists.shop.example>
List-Help: <mailto:support-request@lists.shop.example?subject=help>
Errors-To: support-bounces@lists.shop.example
Sender: "Support" <support-bounces@lists.shop.example>
Content-Type: text/plain; charset="UTF-8"

Hei, missä tilaukseni on?
`),
  },
  {
    what: 'through a Microsoft 365 group, which asks for no out-of-office notes',
    raw: mail(`
Received: from AM0PR02MB1.eurprd02.prod.outlook.com (2603:10a6::1) by AM0PR02MB2.eurprd02.prod.outlook.com with HTTPS
From: Eva Kovacs <eva.kovacs@duna.example>
To: Support <support@shop.example>
Subject: Rendelés
Date: Mon, 2 Nov 2026 09:00:00 +0100
Message-ID: <EXAMPLE31@duna.example>
X-Auto-Response-Suppress: DR, OOF, AutoReply
X-MS-Exchange-Parent-Message-Id: <EXAMPLE31@duna.example>
X-MS-Exchange-CrossTenant-Id: 11111111-2222-3333-4444-555555555555
Content-Type: text/plain; charset="utf-8"
MIME-Version: 1.0

Jó napot, hol van a rendelésem?
`),
    reasons: ['auto_response_suppressed'],
  },
  {
    what: 'redirected by a rule in a partner’s Exchange, whom we trust',
    raw: mail(`
Return-Path: <>
From: George Papas <george@hellas.example>
To: office@partner.example
Resent-From: <office@partner.example>
Subject: =?UTF-8?B?zpcgz4DOsc+BzrHOs86zzrXOu86vzrEgzrzOv8+F?=
Date: Mon, 2 Nov 2026 09:00:00 +0200
Message-ID: <EXAMPLE32@hellas.example>
Auto-Submitted: auto-generated
X-Auto-Response-Suppress: DR, OOF, AutoReply
X-MS-Exchange-Inbox-Rules-Loop: office@partner.example
X-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent
Content-Type: text/plain; charset="utf-8"

Καλημέρα, πού είναι η παραγγελία μου;
`),
    facts: { forwarders: ['office@partner.example'] },
  },
  {
    what: 'forwarded by an Exchange mailbox that nobody here knows, from nobody',
    raw: mail(`
Return-Path: <>
From: Petr Dvorak <petr@praha.example>
To: shop@elsewhere.example
Subject: Objednavka
Date: Mon, 2 Nov 2026 09:00:00 +0100
Message-ID: <EXAMPLE33@praha.example>
X-MS-Exchange-ForwardingLoop: shop@elsewhere.example;44d81603-6a98-429d-8ab9-bb947b669639
X-MS-Exchange-CrossTenant-Id: 44d81603-6a98-429d-8ab9-bb947b669639
Content-Type: text/plain; charset="utf-8"

Dobry den, kde je moje objednavka?
`),
    reasons: ['forwarded_by_rule', 'null_return_path'],
  },
  {
    what: 'forwarded by Gmail',
    raw: mail(`
Delivered-To: support@shop.example
X-Forwarded-Encrypted: i=2; AJvYcCEXAMPLE
X-Forwarded-To: support@shop.example
X-Forwarded-For: company@gmail.com support@shop.example
Delivered-To: company@gmail.com
Return-Path: <company+caf_=support=shop.example@gmail.com>
From: Dana Levi <dana@haifa.example>
To: company@gmail.com
Subject: =?UTF-8?B?15TXlNeW157XoNeUINep15zXmQ==?=
Date: Mon, 2 Nov 2026 09:00:00 +0200
Message-ID: <EXAMPLE34@haifa.example>
Content-Type: text/plain; charset="utf-8"

שלום, איפה ההזמנה שלי?
`),
  },
  {
    what: 'forwarded by a web host with a rewritten envelope',
    raw: mail(`
Return-Path: <SRS0=Z8Bj=5h=thai.example=somchai@oldshop.example>
Delivered-To: info@oldshop.example
X-Original-To: support@shop.example
From: Somchai <somchai@thai.example>
To: info@oldshop.example
Subject: =?UTF-8?B?4Liq4Lix4LmI4LiH4LiL4Li34LmJ4Lit?=
Date: Mon, 2 Nov 2026 09:00:00 +0700
Message-ID: <EXAMPLE35@thai.example>
Content-Type: text/plain; charset="utf-8"

สวัสดีค่ะ สินค้าของฉันอยู่ที่ไหน
`),
  },
  {
    what: 'a contact form sent by noreply@ of a form service',
    raw: mail(`
Return-Path: <bounces+123-abc@em.forms.example>
From: "Contact form" <noreply@forms.example>
Reply-To: Bob Stone <bob.stone@mail.example>
Subject: New message from Bob Stone
Date: Mon, 2 Nov 2026 09:00:00 +0000
Message-ID: <EXAMPLE36@forms.example>
Content-Type: text/plain; charset="utf-8"

Name: Bob Stone
Message: Do you deliver to Iceland?
`),
    reasons: ['web_form', 'robot_address'],
  },
  {
    what: 'a contact form of our own web site, sent from our own address',
    raw: mail(`
Return-Path: <www-data@web1.shop.example>
From: Shop <support@shop.example>
Reply-To: zoe@mail.example
To: support@shop.example
Subject: Contact: Do you deliver to Iceland?
X-Mailer: PHPMailer 6.9.1 (https://github.com/PHPMailer/PHPMailer)
Date: Mon, 2 Nov 2026 09:00:00 +0000
Message-ID: <EXAMPLE37@www.shop.example>
Content-Type: text/plain; charset="utf-8"

From: Zoe
Do you deliver to Iceland?
`),
    reasons: ['web_form'],
  },
  {
    what: 'a contact form of WordPress, whose host proved the web site’s address',
    raw: mail(`
Return-Path: <wordpress@blog.example>
From: WordPress <wordpress@blog.example>
Reply-To: "Ida Holm" <ida@mail.example>
Subject: [Blog] Question
X-Mailer: PHPMailer 6.9.1 (https://github.com/PHPMailer/PHPMailer)
Date: Mon, 2 Nov 2026 09:00:00 +0000
Message-ID: <EXAMPLE38@blog.example>
Content-Type: text/plain; charset="utf-8"

Is the blue one coming back?
`),
    facts: { authentication: 'pass' },
    reasons: ['reply_unproved'],
  },
  {
    what: 'a salesman’s answer to us, with the unsubscribe link of his program under it',
    raw: mail(`
Return-Path: <1axb2c@bounce.crm.example>
From: Mark Lee <mark.lee@vendor.example>
Subject: Re: Your question about our order
In-Reply-To: <answer.1@shop.example>
References: <answer.1@shop.example>
List-Unsubscribe: <https://crm.example/unsubscribe?u=1>
Feedback-ID: aws:crm
Date: Mon, 2 Nov 2026 09:00:00 +0000
Message-ID: <EXAMPLE39@vendor.example>
Content-Type: text/plain; charset="utf-8"

Yes, Tuesday works. Which dock should the truck go to?
`),
    facts: { answersOurs: true },
    reasons: ['list_unsubscribe'],
  },
  {
    what: 'an answer to us from an address that its host could not prove',
    raw: mail(`
Return-Path: <kofi@accra.example>
Received: from mail.accra.example by mx.google.com with ESMTP id 1
Authentication-Results: mx.google.com; spf=neutral smtp.mailfrom=kofi@accra.example
From: Kofi Mensah <kofi@accra.example>
Reply-To: Kofi Mensah <kofi.mensah@gmail.example>
Subject: RE: Out of office hours?
In-Reply-To: <answer.1@shop.example>
Date: Mon, 2 Nov 2026 09:00:00 +0000
Message-ID: <EXAMPLE40@accra.example>
X-Autoresponder-Suppress: yes
Content-Type: text/plain; charset="utf-8"

Thanks. And on Sundays?
`),
    facts: { authentication: 'none', answersOurs: true },
  },
]
