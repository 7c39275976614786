/**
 * The few words that mail programs put around what they quote, in the languages they are translated to. They only help where the shape
 * alone could as well be a person's own writing (attribution.ts); a language that is missing here loses those cases and no others.
 */

/** Whether somebody "wrote" here: one word that says so, wherever in the line it stands. */
export function saysWrote(words: readonly string[]): boolean {
  return words.some(word => WROTE.has(word) || WROTE_UNSPACED.test(word))
}

const WROTE = new Set(
  `wrote writes written schrieb schreibt geschrieben écrit écrivait escribió escribio escrito escribe scritto scrive scriveva escreveu escreve
  schreef schrijft geschreven skrev skriver skrevet skrifaði kirjoitti kirjutas rakstīja rašė napisał napisała pisze napsal napsala napísal
  napísala írta scris написа написал написала писал писала пишет написав написала писав писала пише піша напісаў напісала написао написала
  напиша napisao napisala napisal έγραψε yazdı yazmış yazıb כתב כתבה كتب كتبت كتابة نوشت لکھا लिखा लिहिले लेख्नुभयो লিখেছেন লিখেছে લખ્યું ਲਿਖਿਆ
  எழுதியது எழுதினார் రాసారు రాశారు ಬರೆದಿದ್ದಾರೆ എഴുതി ලිව්වේය ලියා viết menulis isinulat sumulat დაწერა წერს գրել գրեց жазды жазған yozdi
  бичсэн shkroi shkruajti shkruar idatzi escrit escriure escrigué escribiu ysgrifennodd scríobh geskryf skryf aliandika wabhala ubhale ጽፏል
  skrivet sgrìobh skribis scripsit schreiwt geschriwwen rakstija quoting zitat citando citat cituji cytuję`.split(
    /\s+/,
  ),
)
const WROTE_UNSPACED = /[寫写]道|[寫写]到|書きました|書いた|のメール$|작성|쓴$|썼|เขียน|ຂຽນ|សរសេរ|ရေး/

/** That the writer speaks of himself, which an attribution does not; with a capital it may be a name ("My Shop"). */
export const SPEAKS_OF_SELF =
  /(?:^|[\s,(])(?:I|[Ii][’']m|[Ii][’']ve|me|my|mine|we|our|us|ich|mir|mich|meine\p{L}?|wir|unsere\p{L}?|[Jj]['’]ai|nous|nosotros|noi|ik|mij|mijn|meu|minha|nós|я|мне|мой|мы|jag|jeg|minä|mnie|benim)(?=[\s,:]|$)|^(?:我(?!的)|私|僕|저는|제가)/u
/** The same where it opens the line, and the date comes before the name. */
export const OPENS_WITH_SELF =
  /^(?:My|We|Our|Ich|Wir|Meine?|Unsere?|Je|Nous|Mon|Ma|Mi|Yo|Nosotros|Io|Noi|Ik|Wij|Mijn|Eu|Meu|Minha|Nós|Я|Мы|Мой|Моя|Jag|Jeg|Min|Minä|The|Der|Die|Das)\s/u

/** The labels of the lines with which mail programs put a mail's head above its quote. */
export type Label = 'from' | 'sent' | 'to' | 'subject' | 'cc'

export function labelCalled(name: string): Label | undefined {
  return LABELS.get(name.toLowerCase())
}

const LABELS = new Map<string, Label>(
  Object.entries({
    from: `from|von|de|da|van|od|от|від|ад|från|fra|frá|lähettäjä|mittente|remitente|remetente|expéditeur|afzender|kimden|gönderen|feladó|de la|από|
      寄件者|寄件人|发件人|發件人|差出人|送信者|from/寄件者|보낸 사람|보낸사람|발신|발신자|發信人|发信人|nadawca|отправитель|odesílatel|odosielateľ|från/from|người gửi|từ|
      dari|daripada|pengirim|saatja|kellelt|sūtītājs|nuo|siuntėjas|подател|шаље|šalje|pošiljatelj|pošiljalac|испраќач|מאת|من|از|فرستنده|प्रेषक|จาก|
      nork|bidaltzailea|remitent|გამგზავნი|կողմից|nga|mula kay|প্রেরক|அனுப்புநர்|кімнен|кимден|kimdən|kimdan|хэнээс|afsender|avsender|avsändare|
      gan|vun|kutoka`,
    sent: `sent|date|date sent|gesendet|datum|gesendet am|envoyé|envoyé le|date d’envoi|enviado|enviado el|enviado em|enviada em|enviada|enviados|enviadas|data|
      fecha|fecha de envío|inviato|inviata|verzonden|verzonden op|wysłano|wysłane|data wysłania|отправлено|дата|дата отправки|надіслано|даслана|
      skickat|skickades|sendt|dato|lähetetty|päivämäärä|päiväys|odesláno|odeslané|odoslané|dátum|gönderildi|gönderilme|gönderme tarihi|gönderim tarihi|tarih|
      elküldve|küldve|寄件日期|傳送日期|傳送時間|發送時間|发送时间|发送日期|發送日期|寄件時間|日期|時間|时间|送信日時|送信日|日時|日付|보낸 날짜|보낸날짜|보낸 시간|날짜|날자|
      ngày|đã gửi|gửi|saadetud|saatmisaeg|kuupäev|nosūtīts|datums|išsiųsta|изпратено|послато|послано|датум|poslano|poslato|στάλθηκε|ημερομηνία|
      נשלח|תאריך|تم الإرسال|التاريخ|تاريخ الإرسال|ارسال شده|تاریخ|भेजा गया|दिनांक|ส่ง|วันที่|ส่งเมื่อ|bidaltze-data|bidalia|enviat|enviat el|გაგზავნილია|თარიღი|
      ուղարկված է|ամսաթիվ|dërguar|gestuur|ipinadala|petsa|প্রেরিত|তারিখ|அனுப்பப்பட்டது|தேதி|жіберілген күні|күні|terkirim|dikirim|tanggal|dihantar|
      tarikh|göndərildi|yuborildi|sana|илгээсэн|огноо|trimis|dată|anfonwyd|seolta|imetumwa`,
    to: `to|an|à|a|para|aan|do|dla|кому|каму|til|till|vastaanottaja|saaja|komu|kime|címzett|către|catre|προς|收件者|收件人|宛先|받는 사람|받는사람|수신|수신자|destinatario|
      destinatário|destinataire|destinatari|adresat|adressaat|kellele|đến|tới|kam|адресат|до|получател|прима|за|prima|za|til/to|אל|إلى|به|प्रति|प्राप्तकर्ता|
      ถึง|kepada|nori|hartzailea|per a|ადრესატი|për|para kay|প্রাপক|பெறுநர்|кімге|кимге|kimə|kimga|хэнд|mottaker|modtager|odbiorca|príjemca|
      příjemce|prejemnik|primatelj`,
    subject: `subject|betreff|objet|asunto|assunto|oggetto|onderwerp|temat|тема|тэма|ämne|emne|efni|aihe|předmět|predmet|konu|tárgy|subiect|θέμα|主旨|主题|主題|件名|
      標題|标题|제목|chủ đề|tiêu đề|teema|temats|tēma|tema|относно|предмет|zadeva|נושא|الموضوع|موضوع|विषय|เรื่อง|หัวเรื่อง|subjek|subyek|perihal|gaia|assumpte|თემა|
      թեմա|subjekti|tema/subject|paksa|বিষয়|பொருள்|тақырыбы|темасы|mövzu|mavzu|гарчиг|sujet|titel|onderwerp/subject|pwnc|ábhar|mada`,
    cc: 'cc|bcc|kopie|kopie an|copie|copie à|copia|cópia|kopia|副本|抄送|密件副本|참조|숨은 참조|копия|копія|kopi|kópia|kopija|másolatot kap|másolat|κοιν|κοινοποίηση|עותק|نسخة|bilgi|reply-to|antwort an|risposta|回复|回覆',
  }).flatMap(([kind, labels]) =>
    labels.split('|').map((label): [string, Label] => [label.trim(), kind as Label]),
  ),
)

/** What a divider says of the quote under it: "Original Message". */
export const ORIGINAL = new RegExp(
  [
    'original (?:message|appointment|e-?mail)|^original$|reply message|urspr[uü]nglich|original-?nachricht|originalmail|originaldokument',
    "message d['’ ]origine|message (?:original|initial|précédent)|(?:e-?mail|mail|courriel) d['’]origine|mail original|(?:mensaje|correo|missatge) original",
    'messaggio originale|oorspronkelijk|origineel bericht|mensagem original|oryginaln|исходное (?:сообщение|письмо)|оригинал|вихідне повідомлення|оригінал|арыгінал',
    'ursprungligt|originalmeddel|original ?mail|opprinnelig|oprindelig|alkuperäinen|původní|pôvodn|eredeti|orijinal|özgün|asıl (?:ileti|mesaj)',
    'mesaj(?:ul)? original|αρχικό|thư gốc|tin nhắn gốc|izvorn|originalna poruka|originalno sporočilo|изворна|првобитна|algne|algkiri|sākotnēj|originalus|pradin',
    'upprunaleg|mezua jatorrizk|jatorrizko|mensaxe orixinal|neges wreiddiol|pesan asli|mesej asal|الرسالة الأصلية|الأصلية|پیام اصلی|ההודעה המקורית|הודעה מקורית',
    'मूल संदेश|ข้อความต้นฉบับ|ข้อความเดิม|原始(?:邮件|郵件|訊息|信件|消息)|原[邮郵]件|回[复覆]的原|原信|元のメッセージ|オリジナル|원본 ?(?:메(?:시|세)지|메일|이메일)|원문',
  ].join('|'),
  'iu',
)

/** What stands above a mail that is passed on: its words are what the writer sends. */
export const FORWARDED = new RegExp(
  `^[-_=*>|\\s]*(?:${[
    '(?:begin |start of )?(?:the )?forwarded (?:message|mail|e-?mail|by)|(?:anfang der )?weitergeleitete|(?:début du )?(?:message|courriel|e-?mail) (?:transféré|réexpédié|transmis)',
    '(?:inicio del? )?(?:mensaje|correo) reenviado|(?:inizio )?messaggio inoltrato|(?:begin )?doorgestuurd|(?:início da )?mensagem (?:encaminhada|reencaminhada)|e-?mail encaminhado',
    '(?:początek )?(?:przekaz|wiadomość przekazan|treść przekazan)|пересылаем|пересланн|начало (?:переад|пересл)|переслан|початок листа, що пересил|перасла|препратен|проследен|прослеђен',
    'vidarebefordra|(?:start på )?videresend|välitetty|edelleenlähetetty|(?:začátek )?přepos|(?:začiatok )?preposl|továbbított|[iİ]letilen|[iİ]letilmiş|yönlendirilen|(?:începutul )?mesaj(?:ul)? redirecționat',
    '(?:početak )?prosl(?:i|e)?j?eđen|posredovano|(?:edasi|edastatud)|pārsūtīt|persiųst|áframsent|(?:αρχή )?προωθημέν|(?:inici del )?missatge reenviat|birzalitako|birbidalitako|mensaxe reenviada',
    '(?:bắt đầu )?thư (?:đã |được )?chuyển tiếp|(?:mulai )?(?:pesan|meneruskan|mesej) (?:yang )?(?:diteruskan|pesan|dimajukan)|ipinasang|הודעה שהועברה|(?:תחילת )?ההודעה שהועברה|(?:بداية )?(?:ال)?رسال[هة] (?:ال)?(?:معاد|محول|مُعاد)|پیام (?:ارسال|هدایت)',
    'अग्रेषित|ข้อความที่ส่งต่อ|(?:以下是)?(?:被)?转发的?(?:邮件|信息|郵件)|(?:以下是)?轉寄的?(?:郵件|訊息|信件)|開始轉寄|轉發的?(?:郵件|訊息)|転送(?:された)?メ|---\\s*転送|전달된 ?메|전달 ?메(?:시|세)지',
  ].join('|')})`,
  'iu',
)

/** Whether a line is what a phone or a mail program adds of itself: "Sent from my iPhone", "Get Outlook for iOS". */
export function namesDevice(line: string): boolean {
  const bare = line.replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '').trim()
  if (bare === '' || bare.length > 140 || /[?？]/.test(bare.replace(/https?:\S*/g, ''))) return false
  if (DEVICE_LINE.test(bare)) return true
  const words = bare
    .toLowerCase()
    .split(/[\s,<>()[\]*_.!:]+/)
    .filter(word => word !== '')
  if (words.length > 12) return false
  const brand = BRAND.test(bare)
  const [first = '', second = ''] = words
  const last = words.at(-1)!
  if (SENT_FIRST.test(`${first} ${second}`)) {
    return brand
      ? !(BARE_BRAND.test(second) && /^\p{Script=Latin}/u.test(first))
      : MACHINE.test(bare) && FROM.test(second)
  }
  if (brand && words.length <= 4 && SENT_LAST.test(words.slice(-2).join(' '))) return true
  if (brand && words.length <= 6 && first === 'von' && last === 'gesendet') return true
  if ((brand || MACHINE.test(bare)) && SENT_LAST_UNSPACED.test(bare)) return true
  // "Get Outlook for iOS", with or without its link.
  const said = words.filter(word => !/^https?|^aka$|^ms\/?/.test(word))
  return (
    said.length <= 7 &&
    /\boutlook/i.test(bare) &&
    /ios|android/i.test(bare) &&
    (GET.test(said[0] ?? '') || GET.test(said.at(-1) ?? ''))
  )
}

const BRAND =
  /iphon|ipad|ipod|\bios\b|android|samsung|galaxy|huawei|xiaomi|redmi|oppo|oneplus|pixel|blackberry|outlook|yahoo|proton|gmail|windows|nokia|k-9|thunderbird|bluemail|mail\.ru|yandex|яндекс|邮箱|郵箱|電子信箱/i
const BARE_BRAND = /^(?:iphones?|ipads?|androids?|samsung|galaxy|huawei|xiaomi|outlook|windows|nokia)$/
const MACHINE = /mobil|handy|smartphone|phone|telefon|телефон|smartphone|手機|手机|スマートフォン|휴대폰/i
const FROM =
  /^(?:from|via|fra|från|de|desde|depuis|do|da|dal|von|mit|z|ze|iz|с|із|з|из|от|са|no|iš|van|vanaf|met|din|από|dari|từ)$/
const SENT_FIRST =
  /^(?:sent|envoyée?|enviad[oa]|enviat|inviat[oa]|gesendet|verzonden|verstuurd|wysłan[eoy]|отправлено|надіслано|даслана|изпратено|пратено|послато|послано|poslano|poslané|poslato|odesláno|odoslané|skickat|skickades|sendt|lähetetty|elküldve|küldve|trimis|στάλθηκε|εστάλη|απεστάλη|أُ?رسلت?|تم الإرسال|مرسلة?|נשלח|ارسال|فرستاده|dikirim|dihantar|đã gửi|gửi từ|ส่งจาก|išsiųsta|siųsta|nosūtīts|saadetud|bidalia|bidalita|gestuur|ipinadala|sendita|sent|dërguar|გაგზავნილია|ուղարկված|жіберілді|gesend|从我的|從我的|自我的|寄自|發自|发自|來自|来自)/
const SENT_LAST =
  /(?:gönderildi|göndərildi|küldve|भेजा गया|भेजी गई|bidalia|yuborildi|жіберілді|पाठवले|அனுப்பப்பட்டது|পাঠানো)$/
const SENT_LAST_UNSPACED =
  /(?:從|从|自).{1,30}(?:傳送|发送|發送|寄出)$|から送信$|से भेजा गया$|에서 ?(?:보냄|전송됨|보냈습니다)$/
const GET =
  /^(?:get|download|descarg|obtener|obtén|obtenir|télécharg|scarica|ottieni|obter|obtenha|baixar|transferir|pobierz|uzyskaj|hämta|skaffa|hent|få|hae|hanki|lataa|stáhn|získ|stiahn|indir|edinin|letölt|descărc|obține|holen|beziehen|herunterladen|krijg|ophalen|lấy|tải|dapatkan|unduh)|^(?:загруз|скач|получ|завантаж|отримати|εγκατ|λήψη|احصل|הורד|קבל|รับ|ดาวน์โหลด)|下載|取得|获取|下载|入手|다운로드|받기/i
const DEVICE_LINE =
  /^[([<*_]{0,3}(?:sent (?:from|via|with|by|using) (?:my\b|a\b|the\b|mobile|mail\b|\[mail|mailbox|outlook|yahoo|windows|proton|samsung|galaxy|gmail|airmail|iphone|ipad|android|blackberry|spark|superhuman|aol|workspace)|from my \p{L}+|get (?:\[)?outlook for|envoyé (?:de|depuis|à partir de) (?:mon|ma|mail|outlook|yahoo)|von mein(?:em|er) .{0,40}gesendet|gesendet (?:von|mit|aus)|diese nachricht wurde von mein|enviado (?:desde|do|de|a partir d[eo]) (?:mi|meu|min|mail|correo|outlook|yahoo|samsung|iphone)|inviato (?:da|dal) (?:mio|iphone|ipad|mail|outlook|yahoo|smartphone|libero)|verzonden (?:met|vanaf|via|vanuit)|verstuurd vanaf|wysłan[eo] z|отправлено (?:с|из)|надіслано з|skickat från m|skickades från|sendt fra m|lähetetty \p{L}+(?:sta|stä|lta|ltä)|odesláno z|從我的 ?.{1,30}傳送|从我的 ?.{1,30}发送|[发發]自我的|(?:iphone|ipad|android|スマートフォン).{0,10}から送信|나의 .{1,20}에서 보냄)[^?？]*$/iu
