/**
 * How mail programs introduce the mail they quote, written by us from what is known of their translations: attribution lines a line
 * each, header blocks a line each with ` / ` for the line breaks. The table is data for quote-world.test.ts and bench/read.ts.
 */
export interface Introduction {
  client: string
  language: string
  text: string
}

const ATTRIBUTIONS = `
# Gmail
en    On Thu, Jun 15, 2023 at 3:38 PM Ada Lin <ada@shop.example> wrote:
en-GB On Thu, 15 Jun 2023 at 15:38, Ada Lin <ada@shop.example> wrote:
de    Am Do., 15. Juni 2023 um 15:38 Uhr schrieb Ada Lin <ada@shop.example>:
fr    Le jeu. 15 juin 2023 à 15:38, Ada Lin <ada@shop.example> a écrit :
fr-CA Le jeu. 15 juin 2023, à 15 h 38, Ada Lin <ada@shop.example> a écrit :
es    El jue, 15 jun 2023 a las 15:38, Ada Lin (<ada@shop.example>) escribió:
es-MX El jue, 15 de jun. de 2023 3:38 p. m., Ada Lin <ada@shop.example> escribió:
it    Il giorno gio 15 giu 2023 alle ore 15:38 Ada Lin <ada@shop.example> ha scritto:
pt-BR Em qui., 15 de jun. de 2023 às 15:38, Ada Lin <ada@shop.example> escreveu:
pt-PT Ada Lin <ada@shop.example> escreveu (quinta, 15/06/2023 à(s) 15:38):
nl    Op do 15 jun 2023 om 15:38 schreef Ada Lin <ada@shop.example>:
sv    Den tors 15 juni 2023 kl 15:38 skrev Ada Lin <ada@shop.example>:
da    Den tor. 15. jun. 2023 kl. 15.38 skrev Ada Lin <ada@shop.example>:
no    tor. 15. juni 2023 kl. 15:38 skrev Ada Lin <ada@shop.example>:
fi    to 15. kesäk. 2023 klo 15.38 Ada Lin (ada@shop.example) kirjoitti:
is    fim., 15. jún. 2023 kl. 15:38 skrifaði Ada Lin <ada@shop.example>:
et    Kontakt Ada Lin (<ada@shop.example>) kirjutas kuupäeval N, 15. juuni 2023 kell 15:38:
lv    ceturtd., 2023. g. 15. jūn., plkst. 15:38 — lietotājs Ada Lin (<ada@shop.example>) rakstīja:
lt    2023-06-15, kt, 15:38 Ada Lin <ada@shop.example> rašė:
pl    czw., 15 cze 2023 o 15:38 Ada Lin <ada@shop.example> napisał(a):
cs    čt 15. 6. 2023 v 15:38 odesílatel Ada Lin <ada@shop.example> napsal:
sk    št 15. 6. 2023 o 15:38 Ada Lin <ada@shop.example> napísal(a):
hu    Ada Lin <ada@shop.example> ezt írta (időpont: 2023. jún. 15., Cs, 15:38):
ro    În joi, 15 iun. 2023 la 15:38, Ada Lin <ada@shop.example> a scris:
bg    На чт, 15.06.2023 г. в 15:38 ч. Ada Lin <ada@shop.example> написа:
ru    чт, 15 июн. 2023 г. в 15:38, Ada Lin <ada@shop.example>:
uk    чт, 15 черв. 2023 р. о 15:38 Ada Lin <ada@shop.example> пише:
be    чц, 15 чэр 2023 г. у 15:38 Ada Lin <ada@shop.example> піша:
sr    чет, 15. јун 2023. у 15:38 Ada Lin <ada@shop.example> је написао/ла:
mk    На чет, 15.6.2023 во 15:38 Ada Lin <ada@shop.example> напиша:
hr    čet, 15. lip 2023. u 15:38 Ada Lin <ada@shop.example> napisao je:
sl    V V čet., 15. jun. 2023 ob 15:38 je oseba Ada Lin <ada@shop.example> napisala:
bs    čet, 15. juni 2023. u 15:38 Ada Lin <ada@shop.example> je napisao/la:
el    Στις Πέμ 15 Ιουν 2023 στις 3:38 μ.μ., ο/η Ada Lin <ada@shop.example> έγραψε:
tr    Ada Lin <ada@shop.example>, 15 Haz 2023 Per, 15:38 tarihinde şunu yazdı:
az    15 iyn 2023, C.a, 15:38 tarixində Ada Lin <ada@shop.example> yazdı:
he    ‫בתאריך יום ה׳, 15 ביוני 2023 ב-15:38 מאת ‪Ada Lin‬‏ <‪ada@shop.example‬‏>:‬
ar    في الخميس، 15 يونيو 2023 في 3:38 م تمت كتابة ما يلي بواسطة ‪Ada Lin‬‏ <‪ada@shop.example‬‏>:
ar-EG في الخميس، ١٥ يونيو ٢٠٢٣ ٣:٣٨ م Ada Lin <ada@shop.example> كتب:
fa    ‫در تاریخ پنجشنبه ۱۵ ژوئن ۲۰۲۳،‏ ۱۵:۳۸ ‪Ada Lin‬‏ <‪ada@shop.example‬‏> نوشت:‬
ur    جمعرات، 15 جون، 2023 کو 3:38 PM بجے کو Ada Lin <ada@shop.example> نے لکھا:
hi    गुरु, 15 जून 2023 को 3:38 pm बजे को Ada Lin <ada@shop.example> ने लिखा:
mr    गुरु, १५ जून, २०२३ रोजी ३:३८ PM वाजता Ada Lin <ada@shop.example> ने लिहिले:
ne    २०२३ जुन १५, बिही १५:३८ मा Ada Lin <ada@shop.example> ले लेख्नुभयो:
bn    বৃহস্পতি, ১৫ জুন, ২০২৩ তারিখে ৩:৩৮ PM টায় তারিখে Ada Lin <ada@shop.example> লিখেছেন:
gu    ગુરુ, 15 જૂન, 2023 ના રોજ 03:38 PM વાગ્યે Ada Lin <ada@shop.example> એ લખ્યું:
pa    ਵੀਰ, 15 ਜੂਨ 2023 ਨੂੰ 3:38 ਬਾ.ਦੁ. ਵਜੇ Ada Lin <ada@shop.example> ਨੇ ਲਿਖਿਆ:
ta    வியா., 15 ஜூன், 2023, பிற்பகல் 3:38 அன்று, Ada Lin <ada@shop.example> எழுதியது:
te    15, జూన్ 2023, గురుకి 3:38 PMకి Ada Lin <ada@shop.example> ఇలా రాసారు:
kn    ಗುರು, ಜೂನ್ 15, 2023 ರಂದು 3:38 ಅಪರಾಹ್ನ ಸಮಯಕ್ಕೆ Ada Lin <ada@shop.example> ಅವರು ಬರೆದಿದ್ದಾರೆ:
ml    2023, ജൂൺ 15 വ്യാഴം, 3:38 PM ന് Ada Lin <ada@shop.example> എഴുതി:
si    2023 ජූනි 15, බ්‍රහස් දින 15:38 ට Ada Lin <ada@shop.example> ලිව්වේය:
th    ในวันที่ พฤ. 15 มิ.ย. 2023 เวลา 15:38 Ada Lin <ada@shop.example> เขียนว่า:
th-BE เมื่อ พฤ. 15 มิ.ย. 2566 เวลา 15:38 น. Ada Lin <ada@shop.example> เขียน:
lo    ວັນພະຫັດ, 15 ມິຖຸນາ 2023 ເວລາ 15:38 Ada Lin <ada@shop.example> ຂຽນວ່າ:
km    នៅ​ថ្ងៃ ព្រហ. 15 មិថុនា 2023 ម៉ោង 3:38 ល្ងាច Ada Lin <ada@shop.example> បានសរសេរ៖
my    ၂၀၂၃၊ ဇွန် ၁၅ ကြာ ၁၅:၃၈ တွင် Ada Lin <ada@shop.example> က ရေးခဲ့သည်−
vi    Vào Th 5, 15 thg 6, 2023 vào lúc 15:38 Ada Lin <ada@shop.example> đã viết:
id    Pada tanggal Kam, 15 Jun 2023 pukul 15.38 Ada Lin <ada@shop.example> menulis:
ms    Pada Kha, 15 Jun 2023 pada 3:38 PTG Ada Lin <ada@shop.example> menulis:
fil   Noong Huw, Hun 15, 2023 nang 3:38 PM, isinulat ni Ada Lin <ada@shop.example> ang:
ja    2023年6月15日(木) 15:38 Ada Lin <ada@shop.example>:
ko    2023년 6월 15일 (목) 오후 3:38, Ada Lin <ada@shop.example>님이 작성:
zh-CN Ada Lin <ada@shop.example> 于2023年6月15日周四 15:38写道：
zh-TW Ada Lin <ada@shop.example> 於 2023年6月15日 週四 下午3:38寫道：
zh-HK Ada Lin <ada@shop.example> 於 2023年6月15日週四 下午3:38 寫道：
ka    ხუთ, 15 ივნ. 2023, 15:38-ზე მომხმარებელმა Ada Lin <ada@shop.example> დაწერა:
hy    հնգ, 15 հնս, 2023 թ. ժամը 15:38-ին Ada Lin <ada@shop.example>-ը գրել է՝
kk    2023 ж. 15 мау., бс, 15:38 Ada Lin <ada@shop.example> жазды:
ky    бш, 2023-ж., 15-июн., саат 15:38 Ada Lin <ada@shop.example> мындай деп жазды:
uz    pay, 15-iyn, 2023, 15:38 da Ada Lin <ada@shop.example> yozdi:
mn    2023 оны 6-р сарын 15, Пү 15:38-д Ada Lin <ada@shop.example> бичсэн нь:
sq    Të enj, 15 qer 2023 në 3:38 e pasdites Ada Lin <ada@shop.example> shkroi:
eu    Hau idatzi du Ada Lin (ada@shop.example) erabiltzaileak (2023 eka. 15, og. (15:38)):
ca    Missatge de Ada Lin <ada@shop.example> del dia dj., 15 de juny 2023 a les 15:38:
gl    O xov, 15 xuño 2023 ás 15:38, Ada Lin (<ada@shop.example>) escribiu:
cy    Ar Iau, 15 Meh 2023 am 15:38 ysgrifennodd Ada Lin <ada@shop.example>:
ga    Ar Déar 15 Meith 2023 ag 15:38 scríobh Ada Lin <ada@shop.example>:
af    Op Do. 15 Jun. 2023 om 15:38 het Ada Lin <ada@shop.example> geskryf:
sw    Mnamo Alh, 15 Jun 2023 saa 15:38 Ada Lin <ada@shop.example> aliandika:
zu    Ngo-Lwe, Juni 15, 2023 ngo-3:38 PM Ada Lin <ada@shop.example> wabhala:
am    በሐሙስ፣ 15 ጁን 2023 በ3:38 ከሰዓት ላይ Ada Lin <ada@shop.example> የሚከተለውን ጽፏል፦
# old Gmail
en    2013/7/20 Ada Lin <ada@shop.example>
de    2016-10-24 15:36 GMT+02:00 Ada Lin <ada@shop.example>:
# Apple Mail
en    On 15 Jun 2023, at 15:38, Ada Lin <ada@shop.example> wrote:
de    Am 15.06.2023 um 15:38 schrieb Ada Lin <ada@shop.example>:
fr    Le 15 juin 2023 à 15:38, Ada Lin <ada@shop.example> a écrit :
es    El 15 jun 2023, a las 15:38, Ada Lin <ada@shop.example> escribió:
it    Il giorno 15 giu 2023, alle ore 15:38, Ada Lin <ada@shop.example> ha scritto:
nl    Op 15 jun. 2023, om 15:38 heeft Ada Lin <ada@shop.example> het volgende geschreven:
sv    15 juni 2023 kl. 15:38 skrev Ada Lin <ada@shop.example>:
da    Den 15. jun. 2023 kl. 15.38 skrev Ada Lin <ada@shop.example>:
no    15. juni 2023 kl. 15:38 skrev Ada Lin <ada@shop.example>:
fi    Ada Lin <ada@shop.example> kirjoitti 15.6.2023 kello 15.38:
pl    Wiadomość napisana przez Ada Lin <ada@shop.example> w dniu 15.06.2023, o godz. 15:38:
ru    15 июня 2023 г., в 15:38, Ada Lin <ada@shop.example> написал(а):
uk    15 черв. 2023 р. о 15:38 Ada Lin <ada@shop.example> написав(ла):
cs    15. 6. 2023 v 15:38, Ada Lin <ada@shop.example>:
sk    Dňa 15. 6. 2023 o 15:38 používateľ Ada Lin <ada@shop.example> napísal:
hu    2023. jún. 15. dátummal, 15:38 időpontban Ada Lin <ada@shop.example> írta:
ro    Pe 15 iun. 2023, la 15:38, Ada Lin <ada@shop.example> a scris:
el    Στις 15 Ιουν 2023, στις 15:38, ο χρήστης Ada Lin <ada@shop.example> έγραψε:
tr    Ada Lin <ada@shop.example> şunları yazdı (15 Haz 2023 15:38):
he    ב-15 ביוני 2023, בשעה 15:38, מאת Ada Lin ‏<ada@shop.example>:
ar    في ١٥‏/٠٦‏/٢٠٢٣، الساعة ٣:٣٨ م، كتب/كتبت Ada Lin <ada@shop.example>:
ja    2023/06/15 15:38、Ada Lin <ada@shop.example>のメール:
ko    2023. 6. 15. 오후 3:38, Ada Lin <ada@shop.example> 작성:
zh-CN 2023年6月15日 15:38，Ada Lin <ada@shop.example> 写道：
zh-TW Ada Lin <ada@shop.example> 於 2023年6月15日 下午3:38 寫道：
zh-HK Ada Lin <ada@shop.example> 在 2023年6月15日 下午3:38 寫道：
th    เมื่อ 15 มิ.ย. 2566 BE เวลา 15:38 Ada Lin <ada@shop.example> เขียนว่า:
vi    Vào 15 thg 6, 2023, lúc 15:38, Ada Lin <ada@shop.example> đã viết:
id    Pada 15 Jun 2023, pukul 15.38, Ada Lin <ada@shop.example> menulis:
ms    Pada 15 Jun 2023, pada 3:38 PTG, Ada Lin <ada@shop.example> telah menulis:
ca    El 15 juny 2023, a les 15:38, Ada Lin <ada@shop.example> va escriure:
hr    15.06.2023. u 15:38, korisnik Ada Lin <ada@shop.example> je napisao:
pt-BR Em 15 de jun. de 2023, à(s) 15:38, Ada Lin <ada@shop.example> escreveu:
hi    15 जून 2023 को दोपहर 3:38 बजे, Ada Lin <ada@shop.example> ने लिखा:
en    On Jun 15, 2023, at 3:38 PM, Ada Lin via Shop wrote:
# Thunderbird
en    On 6/15/23 15:38, Ada Lin wrote:
de    Am 15.06.23 um 15:38 schrieb Ada Lin:
fr    Le 15/06/2023 à 15:38, Ada Lin a écrit :
es    El 15/6/23 a las 15:38, Ada Lin escribió:
it    Il 15/06/23 15:38, Ada Lin ha scritto:
nl    Op 15-06-2023 om 15:38 schreef Ada Lin:
pl    W dniu 15.06.2023 o 15:38, Ada Lin pisze:
pt-BR Em 15/06/2023 15:38, Ada Lin escreveu:
ru    15.06.2023 15:38, Ada Lin пишет:
uk    15.06.23 15:38, Ada Lin пише:
cs    Dne 15. 06. 23 v 15:38 Ada Lin napsal(a):
sk    Dňa 15. 6. 2023 o 15:38 Ada Lin napísal(a):
hu    2023. 06. 15. 15:38 keltezéssel, Ada Lin írta:
sv    Den 2023-06-15 kl. 15:38, skrev Ada Lin:
da    Den 15.06.2023 kl. 15.38 skrev Ada Lin:
no    Den 15.06.2023 15:38, skrev Ada Lin:
fi    Ada Lin kirjoitti 15.6.2023 klo 15.38:
zh-CN 在 2023/6/15 15:38, Ada Lin 写道:
zh-TW Ada Lin 於 2023/6/15 下午 03:38 寫道:
ja    On 2023/06/15 15:38, 林 愛 wrote:
ko    2023-06-15 오후 3:38에 Ada Lin 이(가) 쓴 글:
tr    15.06.2023 15:38 tarihinde Ada Lin yazdı:
el    Στις 15/6/2023 3:38 μ.μ., ο/η Ada Lin έγραψε:
he    ב-15/06/2023 15:38, Ada Lin כתב:
ar    في 15‏/6‏/2023 15:38، كتب Ada Lin:
sl    Ada Lin je 15. 06. 23 ob 15:38 napisal(a):
hr    Dana 15. 06. 2023. u 15:38 Ada Lin je napisao/la:
lt    2023-06-15 15:38, Ada Lin rašė:
et    15.06.2023 15:38 kirjutas Ada Lin:
ro    Pe 15.06.2023 15:38, Ada Lin a scris:
bg    На 15.06.23 г. в 15:38 ч., Ada Lin написа:
eu    2023/06/15 15:38(e)an, Ada Lin igorleak idatzi zuen:
ca    El 15/6/23 a les 15:38, Ada Lin ha escrit:
gl    O 15/06/23 ás 15:38, Ada Lin escribiu:
cy    Ar 15/06/2023 15:38, ysgrifennodd Ada Lin:
vi    Vào 15/06/2023 15:38, Ada Lin đã viết:
id    Pada 15/06/2023 15.38, Ada Lin menulis:
is    Þann 15.6.2023 15:38, skrifaði Ada Lin:
sr    Дана 15.6.2023. у 15:38, Ada Lin је написао(ла):
be    15.06.2023 15:38, Ada Lin піша:
ga    Scríobh Ada Lin ar 15/06/2023 15:38:
hsb   Dnja 15.06.2023 w 15:38 je Ada Lin napisał(a):
br    D'ar 15/06/2023 15:38, Ada Lin en deus skrivet:
gd    Sgrìobh Ada Lin na leanas 15/06/2023 aig 15:38:
kk    15.06.2023 15:38, Ada Lin жазды:
hy    15.06.2023 15:38, Ada Lin-ը գրել է.
ka    15.06.2023 15:38, Ada Lin წერს:
# Roundcube
en    On 2023-06-15 15:38, Ada Lin wrote:
de    Am 2023-06-15 15:38, schrieb Ada Lin:
fr    Le 2023-06-15 15:38, Ada Lin a écrit :
es    El 2023-06-15 15:38, Ada Lin escribió:
it    Il 2023-06-15 15:38 Ada Lin ha scritto:
nl    Ada Lin schreef op 2023-06-15 15:38:
pl    W dniu 2023-06-15 15:38, Ada Lin napisał(a):
pt-BR Em 2023-06-15 15:38, Ada Lin escreveu:
ru    Ada Lin писал 2023-06-15 15:38:
cs    Dne 2023-06-15 15:38, Ada Lin napsal:
hu    2023-06-15 15:38 időpontban Ada Lin ezt írta:
ja    2023-06-15 15:38 に Ada Lin さんは書きました:
zh-TW Ada Lin 於 2023-06-15 15:38 寫到：
zh-CN 在 2023-06-15 15:38，Ada Lin 写道：
ko    2023-06-15 15:38에 Ada Lin 이(가) 쓴 메시지:
sv    Ada Lin skrev 2023-06-15 15:38:
da    Ada Lin skrev den 2023-06-15 15:38:
fi    Ada Lin kirjoitti 2023-06-15 15:38:
tr    2023-06-15 15:38 tarihinde Ada Lin yazdı:
uk    Ada Lin писав 2023-06-15 15:38:
ro    Pe 2023-06-15 15:38, Ada Lin a scris:
bg    На 2023-06-15 15:38, Ada Lin написа:
el    Στις 2023-06-15 15:38, Ada Lin έγραψε:
# K-9
en    On 15 June 2023 15:38:00 CEST, Ada Lin <ada@shop.example> wrote:
de    Am 15. Juni 2023 15:38:00 MESZ schrieb Ada Lin <ada@shop.example>:
de    Ada Lin <ada@shop.example> schrieb:
fr    Le 15 juin 2023 15:38:00 GMT+02:00, Ada Lin <ada@shop.example> a écrit :
es    El 15 de junio de 2023 15:38:00 CEST, Ada Lin <ada@shop.example> escribió:
pl    Dnia 15 czerwca 2023 15:38:00 CEST, Ada Lin <ada@shop.example> napisał(a):
ru    15 июня 2023 г. 15:38:00 GMT+03:00, Ada Lin <ada@shop.example> пишет:
ja    2023年6月15日 15:38:00 JST、Ada Lin <ada@shop.example> のメール:
nl    Op 15 juni 2023 15:38:00 CEST schreef Ada Lin <ada@shop.example>:
tr    15 Haziran 2023 15:38:00 GMT+03:00 tarihinde Ada Lin <ada@shop.example> şunu yazdı:
# Yahoo
en    On Thursday, June 15, 2023 at 03:38:00 PM GMT+2, Ada Lin <ada@shop.example> wrote:
de    Am Donnerstag, 15. Juni 2023 um 15:38:00 MESZ hat Ada Lin <ada@shop.example> Folgendes geschrieben:
fr    Le jeudi 15 juin 2023 à 15:38:00 UTC+2, Ada Lin <ada@shop.example> a écrit :
es    El jueves, 15 de junio de 2023, 15:38:00 CEST, Ada Lin <ada@shop.example> escribió:
it    Il giovedì 15 giugno 2023 alle ore 15:38:00 CEST, Ada Lin <ada@shop.example> ha scritto:
pt-BR Em quinta-feira, 15 de junho de 2023 15:38:00 BRT, Ada Lin <ada@shop.example> escreveu:
pl    W dniu czwartek, 15 czerwca 2023 15:38:00 CEST użytkownik Ada Lin <ada@shop.example> napisał:
zh-TW Ada Lin <ada@shop.example> 在 2023年6月15日 星期四 下午03:38:00 [GMT+8] 寫道：
zh-TW 在 2023年6月15日 星期四 下午03:38:00 [GMT+8]， Ada Lin<ada@shop.example> 寫道：
vi    Vào Thứ Năm, 15 tháng 6, 2023 lúc 15:38:00 GMT+7, Ada Lin <ada@shop.example> đã viết:
id    Pada Kamis, 15 Juni 2023 15.38.00 WIB, Ada Lin <ada@shop.example> menulis:
ro    În joi, 15 iunie 2023, 15:38:00 EEST, Ada Lin <ada@shop.example> a scris:
el    Στις Πέμπτη, 15 Ιουνίου 2023 στις 03:38:00 μ.μ. EEST, ο χρήστης Ada Lin <ada@shop.example> έγραψε:
sv    Den torsdag 15 juni 2023 15:38:00 CEST, Ada Lin <ada@shop.example> skrev:
# Proton
en    On Thursday, June 15th, 2023 at 15:38, Ada Lin <ada@shop.example> wrote:
de    Am Donnerstag, 15. Juni 2023 um 15:38 schrieb Ada Lin <ada@shop.example>:
fr    Le jeudi 15 juin 2023 à 15:38, Ada Lin <ada@shop.example> a écrit :
es    El jueves, 15 de junio de 2023 a las 15:38, Ada Lin <ada@shop.example> escribió:
it    giovedì 15 giugno 2023 15:38, Ada Lin <ada@shop.example> ha scritto:
pl    czwartek, 15 czerwca 2023 o 15:38, Ada Lin <ada@shop.example> napisał(a):
ru    четверг, 15 июня 2023 г. в 15:38, Ada Lin <ada@shop.example> пишет:
nl    Op donderdag 15 juni 2023 om 15:38 schreef Ada Lin <ada@shop.example>:
zh-TW Ada Lin <ada@shop.example> 於 2023年6月15日 星期四 15:38 寫道：
# QQ and other Chinese mail
zh-CN 在 2023-06-15 15:38:00，"林爱" <ada@shop.example> 写道：
en    At 2023-06-15 15:38:00, "Ada Lin" <ada@shop.example> wrote:
zh-CN "林爱"<ada@shop.example>在 2023年6月15日 周四 15:38 写道：
zh-TW "林愛" <ada@shop.example> 在 2023-06-15 15:38:00 寫道：
# others
ru    Четверг, 15 июня 2023, 15:38 +03:00 от Ada Lin <ada@shop.example>:
ru    15.06.2023, 15:38, "Ada Lin" <ada@shop.example>:
pl    Dnia 15 czerwca 2023 15:38 Ada Lin <ada@shop.example> napisał(a):
en    On 15 Jun 2023, 15:38 +0200, Ada Lin <ada@shop.example>, wrote:
en    On June 15, 2023, 3:38 PM GMT+2 ada@shop.example wrote:
en    On 15 June 2023 at 15:38:00, Ada Lin (ada@shop.example) wrote:
en    On Thu, 2023-06-15 at 15:38 +0200, Ada Lin wrote:
en    * Ada Lin <ada@shop.example> [2023-06-15 15:38]:
en    ---- On Thu, 15 Jun 2023 15:38:00 +0200 Ada Lin <ada@shop.example> wrote ----
de    ---- Am Do, 15 Jun 2023 15:38:00 +0200 Ada Lin <ada@shop.example> schrieb ----
ja    ---- 木, 15 6月 2023 15:38:00 +0900 Ada Lin <ada@shop.example> が書いた ----
en    Ada Lin <ada@shop.example> writes:
en    Quoting Ada Lin <ada@shop.example>:
de    Zitat von Ada Lin <ada@shop.example>:
fr    Ada Lin <ada@shop.example> a écrit :
de    Am Donnerstag, Juni 15, 2023 15:38 CEST, schrieb Ada Lin <ada@shop.example>:
de    Am Do, Jun 15, 2023 at 03:38:00 +0200 schrieb Ada Lin:
en    On Thu, 15 Jun 2023, at 3:38 PM, Ada Lin wrote:
en    On Thu Jun 15, 2023 at 3:38 PM CEST, Ada Lin wrote:
en    Ada Lin/Shop/DE wrote on 15.06.2023 15:38:00:
zh-TW 於 2023/06/15 15:38，Ada Lin 寫道：
zh-CN 在 2023年6月15日星期四 15:38，Ada Lin <ada@shop.example> 写道：
`

/** from, sent, to, subject, as Outlook names them. */
const OUTLOOK = `
en    From|Sent|To|Subject
de    Von|Gesendet|An|Betreff
fr    De|Envoyé|À|Objet
es    De|Enviado el|Para|Asunto
it    Da|Inviato|A|Oggetto
pt-BR De|Enviada em|Para|Assunto
pt-PT De|Enviado|Para|Assunto
nl    Van|Verzonden|Aan|Onderwerp
sv    Från|Skickat|Till|Ämne
da    Fra|Sendt|Til|Emne
no    Fra|Sendt|Til|Emne
fi    Lähettäjä|Lähetetty|Vastaanottaja|Aihe
is    Frá|Sent|Til|Efni
et    Saatja|Saadetud|Adressaat|Teema
lv    No|Nosūtīts|Kam|Tēma
lt    Nuo|Išsiųsta|Kam|Tema
pl    Od|Wysłane|Do|Temat
cs    Od|Odesláno|Komu|Předmět
sk    Od|Odoslané|Komu|Predmet
hu    Feladó|Elküldve|Címzett|Tárgy
ro    De la|Trimis|Către|Subiect
bg    От|Изпратено|До|Относно
ru    От|Отправлено|Кому|Тема
uk    Від|Надіслано|Кому|Тема
sr    Шаље|Послато|Прима|Тема
hr    Šalje|Poslano|Prima|Predmet
sl    Od|Poslano|Za|Zadeva
el    Από|Στάλθηκε|Προς|Θέμα
tr    Kimden|Gönderildi|Kime|Konu
he    מאת|נשלח|אל|נושא
ar    من|تم الإرسال|إلى|الموضوع
fa    از|ارسال شده|به|موضوع
hi    प्रेषक|भेजा गया|प्रति|विषय
th    จาก|ส่ง|ถึง|เรื่อง
vi    Từ|Đã gửi|Tới|Chủ đề
id    Dari|Terkirim|Kepada|Subjek
ms    Daripada|Dihantar|Kepada|Subjek
ja    差出人|送信日時|宛先|件名
ko    보낸 사람|보낸 날짜|받는 사람|제목
zh-CN 发件人|发送时间|收件人|主题
zh-TW 寄件者|寄件日期|收件者|主旨
zh-HK 寄件者|傳送日期|收件者|主旨
kk    Кімнен|Жіберілген күні|Кімге|Тақырыбы
ca    De|Enviat el|Per a|Tema
eu    Nork|Bidaltze-data|Nori|Gaia
gl    De|Enviado|Para|Asunto
ka    გამგზავნი|გაგზავნილია|ადრესატი|თემა
sq    Nga|Dërguar|Për|Subjekti
af    Van|Gestuur|Aan|Onderwerp
fil   Mula kay|Ipinadala|Para kay|Paksa
bn    প্রেরক|প্রেরিত|প্রাপক|বিষয়
ta    அனுப்புநர்|அனுப்பப்பட்டது|பெறுநர்|பொருள்
`

const BLOCKS = `
# QQ
zh-CN ------------------ 原始邮件 ------------------ / 发件人: "林爱" <ada@shop.example>; / 发送时间: 2023年6月15日(星期四) 下午3:38 / 收件人: "客户"<bob@mail.example>; / 主题: 订单
zh-CN ------------------&nbsp;原始邮件&nbsp;------------------ / 发件人: "林爱"; / 发送时间: 2023年6月15日(星期四) 下午3:38 / 收件人: "客户"; / 主题: Re: 订单
en    ------------------ Original ------------------ / From: "Ada Lin" <ada@shop.example>; / Date: Thu, Jun 15, 2023 03:38 PM / To: "Bob"<bob@mail.example>; / Subject: Re: Order
# QQ and other Chinese mail
zh-CN ---- 回复的原邮件 ---- / | 发件人 | 林爱<ada@shop.example> | / | 日期 | 2023年06月15日 15:38 | / | 收件人 | bob@mail.example | / | 主题 | 订单 |
zh-CN ------------------------------------------------------------------ / 发件人：林爱 <ada@shop.example> / 日　期：2023年06月15日 15:38 / 收件人：客户 <bob@mail.example> / 主　题：订单
zh-CN 发件人： 林爱 / 发送时间： 2023-06-15 15:38 / 收件人： bob@mail.example / 抄送： 王五 / 主题： 订单
# Naver and Daum
ko    -----Original Message----- / From: "Ada Lin" <ada@shop.example> / To: <bob@mail.example> / Cc: / Sent: 2023-06-15 (목) 15:38:00 (GMT+09:00) / Subject: 주문
ko    --------- 원본 메일 --------- / 보낸사람 : Ada Lin <ada@shop.example> / 받는사람 : Bob <bob@mail.example> / 날짜 : 2023년 6월 15일 목요일, 15:38 / 제목 : 주문
# Yahoo Japan
ja    ----- Original Message ----- / From: Ada Lin <ada@shop.example> / To: bob@mail.example / Date: 2023/06/15, Thu 15:38 / Subject: 注文
# Samsung
en    -------- Original message -------- / From: Ada Lin <ada@shop.example> / Date: 6/15/23 3:38 PM (GMT+01:00) / To: Bob <bob@mail.example> / Subject: Order
de    -------- Ursprüngliche Nachricht -------- / Von: Ada Lin <ada@shop.example> / Datum: 15.06.23 15:38 (GMT+01:00) / An: Bob <bob@mail.example> / Betreff: Bestellung
fr    -------- Message d'origine -------- / De : Ada Lin <ada@shop.example> / Date : 15/06/2023 15:38 (GMT+01:00) / À : Bob <bob@mail.example> / Objet : Commande
es    -------- Mensaje original -------- / De: Ada Lin <ada@shop.example> / Fecha: 15/6/23 15:38 (GMT+01:00) / A: Bob <bob@mail.example> / Asunto: Pedido
nl    -------- Oorspronkelijk bericht -------- / Van: Ada Lin <ada@shop.example> / Datum: 15-06-2023 15:38 (GMT+01:00) / Aan: Bob <bob@mail.example> / Onderwerp: Bestelling
it    -------- Messaggio originale -------- / Da: Ada Lin <ada@shop.example> / Data: 15/06/23 15:38 (GMT+01:00) / A: Bob <bob@mail.example> / Oggetto: Ordine
el    -------- Αρχικό μήνυμα -------- / Από: Ada Lin <ada@shop.example> / Ημερομηνία: 15/6/23 3:38 μ.μ. (GMT+02:00) / Προς: Bob <bob@mail.example> / Θέμα: Παραγγελία
hu    -------- Eredeti üzenet -------- / Feladó: Ada Lin <ada@shop.example> / Dátum: 2023. 06. 15. 15:38 (GMT+01:00) / Címzett: Bob <bob@mail.example> / Tárgy: Rendelés
# Proton
en    ------- Original Message ------- / On Thursday, June 15th, 2023 at 15:38, Ada Lin <ada@shop.example> wrote:
de    ------- Ursprüngliche Nachricht ------- / Am Donnerstag, 15. Juni 2023 um 15:38 schrieb Ada Lin <ada@shop.example>:
tr    ------- Özgün İleti ------- / 15 Haziran 2023 Perşembe günü saat 15:38'de, Ada Lin <ada@shop.example> şunu yazdı:
ja    ------- オリジナルのメッセージ ------- / 2023年6月15日木曜日 15:38に、Ada Lin <ada@shop.example>さんは書きました：
# GMX
de    Gesendet: Donnerstag, 15. Juni 2023 um 15:38 Uhr / Von: "Ada Lin" <ada@shop.example> / An: bob@mail.example / Betreff: Bestellung
# Seznam
cs    ---------- Původní e-mail ---------- / Od: Ada Lin <ada@shop.example> / Komu: bob@mail.example / Datum: 15. 6. 2023 15:38:00 / Předmět: Objednávka
# Orange
fr    > Message du 15/06/23 15:38 / > De : "Ada Lin" <ada@shop.example> / > A : bob@mail.example / > Copie à : / > Objet : Commande / >
# Interia
pl    Od: "Ada Lin" <ada@shop.example> / Do: bob@mail.example / Wysłane: 15:38 Czwartek 2023-06-15 / Temat: Zamówienie
# Zimbra
fr    ----- Mail original ----- / De: "Ada Lin" <ada@shop.example> / À: "Bob" <bob@mail.example> / Envoyé: Jeudi 15 Juin 2023 15:38:00 / Objet: Commande
es    ----- Mensaje original ----- / De: "Ada Lin" <ada@shop.example> / Para: "Bob" <bob@mail.example> / Enviados: Jueves, 15 de Junio 2023 15:38:00 / Asunto: Pedido
# eM Client
en    ------ Original Message ------ / From "Ada Lin" <ada@shop.example> / To "Bob" <bob@mail.example> / Date 15/06/2023 15:38:00 / Subject Order
de    ------ Originalnachricht ------ / Von "Ada Lin" <ada@shop.example> / An "Bob" <bob@mail.example> / Datum 15.06.2023 15:38:00 / Betreff Bestellung
# Outlook for Mac
en    From: Ada Lin <ada@shop.example> / Date: Thursday, 15 June 2023 at 15:38 / To: Bob <bob@mail.example> / Subject: Order
ja    差出人: Ada Lin <ada@shop.example> / 日付: 2023年6月15日 木曜日 15:38 / 宛先: Bob <bob@mail.example> / 件名: 注文
fr    De : Ada Lin <ada@shop.example> / Date : jeudi, 15 juin 2023 à 15:38 / À : Bob <bob@mail.example> / Objet : Commande
sv    Från: Ada Lin <ada@shop.example> / Datum: torsdag, 15 juni 2023 15:38 / Till: Bob <bob@mail.example> / Ämne: Order
ru    От: Ada Lin <ada@shop.example> / Дата: четверг, 15 июня 2023 г., 15:38 / Кому: Bob <bob@mail.example> / Тема: Заказ
# Outlook, bold
en    *From:* Ada Lin / *Sent:* Thursday, June 15, 2023 3:38 PM / *To:* bob@mail.example / *Subject:* Order
zh-TW **寄件者:** Ada Lin <ada@shop.example> / **寄件日期:** 2023年6月15日 下午 03:38 / **收件者:** Bob / **主旨:** 訂單
# T-Online
de    -----Original-Nachricht----- / Betreff: x / Datum: 2023-06-15T15:38:00+0200 / Von: "Ada Lin" <ada@shop.example> / An: "Bob" <bob@mail.example>
# Lark
en    From: "Ada Lin"<ada@shop.example> / Date: Thu, Jun 15, 2023, 3:38 PM / Subject: [External] x / To: "Bob"<bob@mail.example>
# Samsung
zh-TW -------- 原始訊息 -------- / 寄件者: Ada Lin <ada@shop.example> / 日期: 2023/6/15 下午3:38 (GMT+08:00) / 收件者: Bob / 主旨: 訂單
# Thunderbird, as an attachment's text
zh-TW -------- 原始郵件 -------- / 主旨: 訂單 / 日期: 2023-06-15 15:38 / 寄件者: Ada Lin / 收件者: Bob
# with stars
en    ***** Original Message ***** / From: Ada Lin
`

export const attributions: Introduction[] = []
{
  let client = ''
  for (const line of ATTRIBUTIONS.trim().split('\n')) {
    if (line.startsWith('#')) client = line.slice(2)
    else attributions.push({ client, language: line.slice(0, 6).trim(), text: line.slice(6) })
  }
}

export const blocks: Introduction[] = OUTLOOK.trim()
  .split('\n')
  .flatMap(line => {
    const language = line.slice(0, 6).trim()
    const [from, sent, to, subject] = line.slice(6).split('|')
    const when = `${/zh|ja/.test(language) ? '2023年6月15日' : /ko/.test(language) ? '2023년 6월 15일' : '15.06.2023'} 15:38`
    return [
      {
        client: 'Outlook',
        language,
        text: `${from}: Ada Lin <ada@shop.example>\n${sent}: ${when}\n${to}: Bob <bob@mail.example>\n${subject}: RE: 4711`,
      },
      {
        client: 'Outlook, names only, under a rule',
        language,
        text: `________________________________\n${from}: Ada Lin\n${sent}: ${when}\n${to}: Bob\n${subject}: RE: 4711`,
      },
    ]
  })
{
  let client = ''
  for (const line of BLOCKS.trim().split('\n')) {
    if (line.startsWith('#')) client = line.slice(2)
    else
      blocks.push({ client, language: line.slice(0, 6).trim(), text: line.slice(6).replaceAll(' / ', '\n') })
  }
}

export const NEW = 'Thanks, that works.\n\nOne more thing: can I get an invoice?'

export function quoteUnder(prefix: string): string {
  return 'Hello,\nplease try again.\n\nRegards'.replaceAll(/^/gm, prefix)
}

/** A longer name, and broken at 70 columns as mail programs do. */
export function wrapped(text: string): string {
  let out = ''
  let line = ''
  for (const word of text
    .replaceAll('Ada Lin', 'Adalbertina Linnemann-Schwarzenbeck')
    .replaceAll('ada@shop', 'adalbertina.linnemann@shop')
    .split(' ')) {
    if (line !== '' && line.length + word.length >= 70) {
      out += `${line}\n`
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return out + line
}

/** The same in a language that nobody has: every word but names and time zones is made nonsense, its letters kept in kind. */
export function foreign(text: string): string {
  return text.replace(/[\p{L}\p{M}]+/gu, word =>
    /^(?:Ada|Lin|Bob|ada|bob|shop|mail|example|GMT|nbsp|h|[年月日년월일])$/.test(word)
      ? word
      : word.replace(/[\p{L}\p{M}]/gu, letter => {
          if (/[年月日년월일時]/.test(letter)) return letter
          if (/\p{M}/u.test(letter)) return ''
          return /\p{Lu}/u.test(letter) ? 'Q' : /\p{Ll}/u.test(letter) ? 'x' : 'ꦄ'
        }),
  )
}
