// The commonest small words of each language, its letters beyond a to z, and where it is spoken. Small words and not
// nouns: every message has them, whatever its subject. A word of several languages is listed under each, or it would
// count for one of them alone.
export interface Language {
  /** ISO 639-1. Two stand for more than one language, see KINDRED: `sh` for Croatian, Bosnian and Serbian in Latin script. */
  readonly code: string;
  readonly words: string;
  readonly letters: string;
}

export const LATIN: readonly Language[] = [
  {
    code: 'en',
    words:
      'the and is are was were been be am you your for with this that these those have has had not what when where which who please thanks thank hello my me we our they them would could should can will how why from there but or if any still yet just about again does did do don of to it on at by as an in no so one more only new all out up get need want hi under size most here',
    letters: '',
  },
  {
    code: 'de',
    words:
      'und ist sind nicht bitte danke guten hallo wann wo warum was dass schon aber oder auch wie ich habe haben hat mich mir ihnen ihr ihre sie wir uns für mit von bei war wäre wenn noch kann können könnte der die das den dem des ein eine einen zu auf im am in es an so alle keine kein mein meine meinen wird werden wurde fuer koennen moechte möchte nur mehr seit heute als um nach man du',
    letters: 'äöüß',
  },
  {
    code: 'nl',
    words:
      'en is zijn niet alstublieft bedankt dank wanneer waar waarom wat dat dit al maar of ook hoe ik heb hebben heeft mij me uw jullie je jij wij we ons onze voor met van bij was zou als nog kan kunnen de het een geen graag deze die er op te om aan in naar hallo mijn wel niets wordt worden hier alle meer over dan heel veel gaan zo af moet na nu ze ten man',
    letters: 'éèëïóöü',
  },
  {
    code: 'af',
    words:
      'en is nie asseblief dankie wanneer waar hoekom wat dat maar of ook hoe ek het my jy ons vir met van by was sou as nog kan die hierdie jou julle om te in aan geen word hallo alle meer sal moet af al bo dit gaan hier op na se so veel voor wel een',
    letters: 'êëéïôöû',
  },
  {
    code: 'lb',
    words:
      'an ass sinn net wann wou firwat wat dat mä oder och wéi ech hunn hutt mech mir iech dir fir mat vun bei war kann de déi den en eng zu op am ze moien villmools merci mäi meng nach keng',
    letters: 'äëéêöü',
  },
  {
    code: 'sv',
    words:
      'och är inte tack hej när var varför vad att redan men eller också hur jag har mig vi oss för med av på som det den de en ett kan skulle om bara ni er ert mycket kommer vill till från min mitt mina så vara ska finns hade inget ingen nu blir får några alla mer där ha han in efter fel ta dem dig du se bli denna detta utan kunde andra igen både under må gärna hos sig vem allt fick varit',
    letters: 'åäöé',
  },
  {
    code: 'da',
    words:
      'og er ikke tak hej hvornår hvor hvorfor hvad at allerede men eller også hvordan jeg har mig vi os for med af på som det den de en et kan skulle hvis kun jer jeres meget kommer vil noget nogen nogle fra til min mit mine så være skal der været havde ingen nu blev bliver blive efter om dig hvilken alle mere bare når ved var have to op du dem over deres al din del vært får dit ser denne dette hver uden kunne andre igen både selv mellem under må gerne hos sig hvem alt lige fordi før her',
    letters: 'æøåé',
  },
  {
    code: 'no',
    words:
      'og er ikke takk hei hvor hvorfor hva at allerede men eller også hvordan jeg har meg vi oss for med av på som det den de en et ei kan skulle hvis bare dere deres mye kommer vil noe noen fra til min mitt mine så være skal der vært hadde ingen nå blir ble bli etter om deg hvilken alle mer når ved ikkje eg kva korleis frå dei ein var du dem to over ha han kun din del les se ta ser ett får vera denne dette hver uten kunne andre igjen både selv mellom under må gjerne hos seg hvem alt fordi før inn her',
    letters: 'æøåéòô',
  },
  {
    code: 'is',
    words:
      'og er ekki takk hæ hvenær hvar hvers vegna hvað að en eða líka hvernig ég hef mig við okkur fyrir með af á sem það ef bara þið mjög vil til frá í minn mitt mín svo vera skal var hafa eru um ekkert ykkur þetta hvort get of má vill alla ert allt inn sig utan',
    letters: 'áéíóúýðþæö',
  },
  {
    code: 'fr',
    words:
      'et est sont ne pas merci bonjour quand où pourquoi que qui mais ou aussi comment je ai vous nous mon ma mes pour avec dans sur être était si encore il elle ils le la les des de un une du au aux votre vos ce cette ces en par plus été avez ont qu à fait sans me se on très tout quel quelle suis non ni sa son',
    letters: 'àâæçéèêëîïôœùûü',
  },
  {
    code: 'es',
    words:
      'es son no gracias hola cuándo cuando dónde donde por qué que pero también cómo como yo he tengo usted ustedes mi mis me para con en sobre ser si sí todavía el la los las de un una del al su sus está están favor buenos días ya muy ha han se lo le les nos esta este esto más sin hay ni quiero puedo puede fue era cuál algo nada pedido dos par porque antes debe deben todo',
    letters: 'áéíñóúü',
  },
  {
    code: 'pt',
    words:
      'é são não obrigado obrigada olá quando onde por porque porquê que mas ou também como eu tenho você vocês meu minha meus me para com em sobre ser se ainda os as de um uma do da dos das no na ao à seu sua está estão favor bom dia já muito foi tem há mais sem isso este esta esse essa nos lhe pelo pela ter eles nem quero posso pode qual num até era for nas nada pedido vai isto antes todo deve',
    letters: 'áâãàçéêíóôõúü',
  },
  {
    code: 'gl',
    words:
      'é son non grazas ola cando onde por porque que pero ou tamén como eu teño vostede meu miña me para con en sobre ser se aínda os as de un unha do da dos das no na ao seu súa está están favor bo día xa moi foi ten hai máis sen isto este esta nos lle pola polo ata nin pode era co á mais nas nada vai ter días dende despois agora todo ninguén antes debe deben nunha nun coa',
    letters: 'áéíñóúü',
  },
  {
    code: 'it',
    words:
      'è sono non grazie buongiorno salve ciao quando dove perché che ma anche come io ho lei voi mio mia miei mi per con in su da essere se ancora il lo la gli le di un una del della dei al alla nel nella sul questo questa favore già molto più ha hanno si ci vi ne stato stata avete vostro vostra cosa senza ed vorrei posso può fatto era ai all alle fra qui',
    letters: 'àèéìòù',
  },
  {
    code: 'ca',
    words:
      'és són no gràcies hola quan on per què que però també com jo tinc vostè meu meva em amb en sobre ser si encara el la els les de un una del al als seu seva està estan avui molt ja ha han es lo li ens aquest aquesta això més sense hi ni vull puc pot era bon dia pel fer estat perquè des se dir vostra qual va mida',
    letters: 'àçéèíïòóúü',
  },
  {
    code: 'ro',
    words:
      'și şi si este sunt nu vă va rog mulțumesc multumesc bună ziua când unde de ce că ca dar sau cum am aveți ați mă mi pentru fi fost dacă încă mai foarte la cu din pe să nici un al ale nostru dumneavoastră mea meu în in care se au ai ne le asta acest această prea doar vreau pot poate ar are jos sus una fel',
    letters: 'ăâîșțşţ',
  },
  {
    code: 'cs',
    words:
      'je jsem jsme jsou jste není nejsou prosím děkuji děkuju dobrý den kdy kde proč co že už ale nebo také jak mám máte mě mi mně vám vás nám nás při pro být bych byl byla bylo jestli když ještě tak tam se si na do za od po to ten ta ve ze ne ano jen nic bez moje můj může mohu můžete chci potřebuji má jako by který která které tento tuto zda objednávku ho ke no či aby nebyl protože pouze více znovu nelze teď jenom těch všechno něco nikdo nikdy před pod jeho lze jej toto',
    letters: 'áčďéěíňóřšťúůýž',
  },
  {
    code: 'sk',
    words:
      'je som sme sú ste nie prosím ďakujem dobrý deň kedy kde prečo čo že už ale alebo tiež ako mám máte ma mi vám vás nám nás pri pre byť by bol bola bolo či keď ešte tak tam sa si na do za od po to ten tá vo zo áno len nič bez moja môj môže môžem môžete chcem potrebujem má ktorý ktorá ktoré tento túto viac objednávku so ho no ich aby nebol pretože iba znovu teraz všetko niečo nikto nikdy pred pod jeho ktorú toto mať nemám jej',
    letters: 'áäčďéíĺľňóôŕšťúýž',
  },
  {
    code: 'pl',
    words:
      'jest jestem są nie proszę dziękuję dzień dobry kiedy gdzie dlaczego co że już ale lub albo czy jak mam mi mnie państwo pan pani się przy dla być był była było jeszcze tak tam to do na za od po we ze by bez tylko nic mój moja moje może mogę można chcę potrzebuję ma jako który która które ten ta tego mamy przez oraz jeśli wam was nam nas ich ile pola samo aby teraz więc ponieważ kto gdy każdy tym tej pod przed jednak go jej mieć żeby',
    letters: 'ąćęłńóśźż',
  },
  {
    code: 'sl',
    words:
      'je sem smo so ste ni nisem niso prosim hvala dober dan pozdravljeni kdaj kje zakaj kaj da že ali pa tudi kako imam imate mi me vas vam nas nam pri za biti bi bil bila bilo če ko še tako na do od po to ta in ne samo nič brez moj moja moje lahko želim potrebujem ima kot ki naj bo kateri ker tem en iz isto jo kadar le med pot sam se sme te treba več si vendar vse zaradi pred pod torej zdaj nekaj nihče nikoli moram jih ga',
    letters: 'čšž',
  },
  {
    code: 'sh',
    words:
      'je sam smo su ste nije nisam nisu molim hvala dobar dan kada kad gdje gde zašto što šta da već ali ili također takođe kako imam imate mi me vas vam nas nam pri za biti bih bi bio bila bilo ako još tako na do od po to taj ta iz sa ne samo ništa bez moj moja moje mogu može možete želim trebam treba ima kao koji koja koje ovaj li se te isto ni jer uz pre nema kod neće svi sve zbog pred pod dakle sada nešto nitko niko nikad moram ga',
    letters: 'čćđšž',
  },
  {
    code: 'hu',
    words:
      'és nem van vagyok kérem köszönöm jó napot mikor hol miért hogy már de vagy is mit milyen meg egy az ez ezt azt ha lehet volt lenne még csak kell szeretnék szeretném nekem önök nincs sem mert után ki be el fel lesz itt ott most kérdezni rendelést tud tudom minden nagyon le ne mind más által akkor sikerült között előtt valami senki soha hanem azonban így nélkül miatt',
    letters: 'áéíóöőúüű',
  },
  {
    code: 'fi',
    words:
      'ja on ei ole kiitos hei moi milloin missä miksi mitä että jo mutta tai myös miten minä olen minun minulle te teidän voi voiko voinko olisi jos vielä kun se tämä en sen joka vain sitten mikä olla ovat hän niin kuin oli nyt tilaus tilauksen ette et vai ne tämän kanssa jälkeen ennen kaikki mitään teille teiltä minua sitä saa täytyy pitäisi ehkä vaikka yksi enää',
    letters: 'äöå',
  },
  {
    code: 'et',
    words:
      'ja on ei ole tänan palun tere millal kus miks mida et juba aga või ka kuidas ma mina olen mul minu mulle teie te saab saaks saan oleks kui veel see ning siis mis oli olla nii kas ta ega seda selle pole mind ette ise sa kes need era sul me kuid midagi peale enne pärast jälle palju kõik sisse vaja peab üks saa',
    letters: 'äöõüšž',
  },
  {
    code: 'lv',
    words:
      'un ir nav nē lūdzu paldies labdien kad kur kāpēc ko ka jau bet vai arī kā es esmu man mans mana jūs jūsu jums var būtu ja vēl tas tā šis šo par no ar uz ne lai kas bija būt varu mani mēs pie bez jo pa to tai tam nevar kāda tikai pēc līdz labi cik nevis tad tika',
    letters: 'āčēģīķļņšūž',
  },
  {
    code: 'lt',
    words:
      'ir yra nėra ne prašau ačiū laba diena sveiki kada kur kodėl ką kas kad jau bet ar arba taip pat kaip aš esu man mano jūs jūsų jums gali galiu būtų jei dar tai šis apie iš su į už nuo buvo būti mane mes tik per bei be du jo po to tam kai daugiau prieš kuris reikia labai tačiau kol nebuvo turi',
    letters: 'ąčęėįšųūž',
  },
  {
    code: 'tr',
    words:
      've değil bir bu şu ne teşekkürler lütfen merhaba zaman nerede neden için ama veya ya da de nasıl ben benim bana var yok mı mi mu mü siz sizin ile olarak daha çok olan gibi kadar ki ise en henüz hala bugün iyi günler istiyorum mısınız misiniz her al az bi den dan di ek et in nin si son tam dir sonra önce üzerinde tüm yeniden ancak sadece şimdi hiç oldu lazım beni size olur alt',
    letters: 'çğıöşüâîû',
  },
  {
    code: 'id',
    words:
      'dan yang tidak saya anda terima kasih selamat kapan di mana apa untuk dengan ini itu sudah belum bisa ada dari ke akan mohon atau juga kami pada tolong boleh kenapa berapa hari pesanan lagi kadar bila tak pola',
    letters: '',
  },
  {
    code: 'vi',
    words:
      'không của tôi là có và được cho bạn xin chào cảm ơn khi nào ở đâu tại sao gì này đã chưa nhưng hoặc với các một người anh chị em vui lòng giúp nhận đơn hàng mình con hai hay quan sau so di in vi do',
    letters: 'àáâãèéêìíòóôõùúýăđĩũơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ',
  },
];

export const CYRILLIC: readonly Language[] = [
  {
    code: 'ru',
    words:
      'не что это как вы мы мне меня вас вам нам нас когда где почему есть уже но или тоже на по для со от же бы был была было если ещё еще только можно спасибо пожалуйста здравствуйте добрый день нет так очень за до из он она они мой моя заказ который чтобы при да под без ли много могу то во быть может после сейчас все всё его через нужно никто мной',
    letters: 'абвгдеёжзийклмнопрстуфхцчшщъыьэюя',
  },
  {
    code: 'uk',
    words:
      'й та не що це як ви ми мені мене вас вам нам нас коли де чому є вже але або також на по для із зі від же б був була було якщо ще тільки можна дякую будь ласка добрий день немає так дуже щоб за до він вона вони мій моя замовлення який при про без може те які ж бути після лише зараз все його під через треба ніхто цей цього чи має',
    letters: 'абвгґдеєжзиіїйклмнопрстуфхцчшщьюя',
  },
  {
    code: 'be',
    words:
      'й ды не што гэта як вы мы мне мяне вас вам нам нас калі дзе чаму ёсць ужо але або таксама на па для са ад ж б быў была было яшчэ толькі можна дзякуй ласка добры дзень няма так вельмі каб за да ў ён яна яны мой мая замову які пры пра без то той быць пасля цяпер усё яго пад праз трэба ніхто гэты гэтага ці мае зараз',
    letters: 'абвгдеёжзійклмнопрстуўфхцчшыьэюя',
  },
  {
    code: 'bg',
    words:
      'не че това как аз вие ние ми ви го ме си кога къде защо има вече но или също на по за със от ще би беше ако още само може благодаря моля здравейте добър ден няма така много да ли съм сте сме са се във до при той тя те мога искам поръчката който без та то под бъде този тази трябва когато които защото сега всичко никой нещо преди след пред',
    letters: 'абвгдежзийклмнопрстуфхцчшщъьюя',
  },
  {
    code: 'sr',
    words:
      'не што шта то како ја ви ми ме вас вам нас нам када кад где зашто има већ али или такође на по за са од ће би био била било ако још само може хвала молим добар дан нема тако да ли сам сте смо је су се из до при он она они могу желим који без није исто кога под сме бити после треба сада све његов јер нико нешто пре након овај које пред',
    letters: 'абвгдђежзијклљмнњопрстћуфхцчџш',
  },
  {
    code: 'mk',
    words:
      'не што тоа како јас вие ние ми ве ви го ме кога каде зошто има веќе но или исто на по за со од ќе би беше ако уште само може благодарам молам здраво добар ден нема така многу да ли сум сте сме се во до при тој таа тие можам сакам кој без дека ја под биде после треба сега сѐ негов никој нешто пред овој оваа кои',
    letters: 'абвгдѓежзѕијклљмнњопрстќуфхцчџш',
  },
];

/** ISO 3166-1 -> the languages that somebody with a number of that country most likely writes. */
export const SPOKEN: Readonly<Record<string, string>> = {
  AT: 'de',
  AU: 'en',
  BA: 'sh sr',
  BE: 'nl fr',
  BG: 'bg',
  BN: 'id en',
  BR: 'pt',
  BY: 'ru be',
  CA: 'en fr',
  CH: 'de fr it',
  CL: 'es',
  CO: 'es',
  CZ: 'cs',
  DE: 'de',
  DK: 'da',
  EE: 'et ru',
  ES: 'es ca gl',
  FI: 'fi sv',
  FR: 'fr',
  GB: 'en',
  HR: 'sh',
  HU: 'hu',
  ID: 'id',
  IE: 'en',
  IS: 'is',
  IT: 'it',
  LT: 'lt',
  LU: 'fr de lb',
  LV: 'lv ru',
  MD: 'ro ru',
  ME: 'sh sr',
  MK: 'mk',
  MX: 'es',
  MY: 'id en',
  NL: 'nl',
  NO: 'no',
  NZ: 'en',
  PE: 'es',
  PL: 'pl',
  PT: 'pt',
  RO: 'ro',
  RS: 'sr sh',
  RU: 'ru',
  SE: 'sv',
  SI: 'sl',
  SK: 'sk',
  TR: 'tr',
  UA: 'uk ru',
  US: 'en es',
  VN: 'vi',
  ZA: 'en af',
};

/** Languages of one kind that a text of this length does not tell apart, by where they are spoken; elsewhere nobody can say. */
export const KINDRED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  sh: { BA: 'bs', HR: 'hr', ME: 'sr', RS: 'sr' },
  id: { BN: 'ms', ID: 'id', MY: 'ms' },
};
