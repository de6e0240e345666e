// The words that the mails are made of, and the charsets and encodings that mail programs send them in.

export interface Language {
  readonly charset: string;
  readonly encoding: 'quoted-printable' | 'base64';
  readonly words: readonly string[];
  /** What stands between two words. */
  readonly space: string;
}

const english =
  'order invoice delivery please thank you number received would like change address return parcel broken when again today price wrong size colour the and with for about'.split(
    ' ',
  );
const czech =
  'objednávka faktura dodání prosím děkuji číslo zboží přišlo poškozené vrátit peníze kdy zpráva účet změna adresy žádost odpověď řešení dnes zítra'.split(
    ' ',
  );
const german =
  'Bestellung Rechnung Lieferung bitte möchte zurückgeben größer Straße müssen prüfen können für über Vertrag kündigen schöne Grüße heute morgen Paket'.split(
    ' ',
  );
const french =
  'commande facture livraison merci numéro reçu colis abîmé échange adresse problème réponse déjà payé être après où près'.split(
    ' ',
  );
const russian =
  'заказ счёт доставка пожалуйста спасибо номер получил товар вернуть деньги когда сообщение адрес вопрос ответ сегодня завтра'.split(
    ' ',
  );
const japanese = '注文 請求書 配送 お願い ありがとう 番号 商品 返品 変更 住所 問題 回答 今日 明日 いつ 料金'.split(' ');

const language = (
  charset: string,
  encoding: Language['encoding'],
  words: readonly string[],
  space = ' ',
): Language => ({ charset, encoding, words, space });

/** Twenty of them, half in UTF-8. Japanese and Russian mail programs prefer base64, others quoted-printable. */
export const LANGUAGES: readonly Language[] = [
  language('utf-8', 'quoted-printable', english),
  language('utf-8', 'quoted-printable', english),
  language('utf-8', 'quoted-printable', english),
  language('utf-8', 'quoted-printable', czech),
  language('utf-8', 'quoted-printable', german),
  language('utf-8', 'base64', german),
  language('utf-8', 'base64', french),
  language('utf-8', 'base64', russian),
  language('utf-8', 'base64', russian),
  language('utf-8', 'base64', japanese, '、'),
  language('iso-8859-1', 'quoted-printable', german),
  language('iso-8859-1', 'quoted-printable', french),
  language('iso-8859-15', 'quoted-printable', french),
  language('windows-1252', 'quoted-printable', german),
  language('windows-1252', 'quoted-printable', english),
  language('windows-1251', 'base64', russian),
  language('windows-1251', 'quoted-printable', russian),
  language('koi8-r', 'base64', russian),
  language('shift_jis', 'base64', japanese, '、'),
  language('euc-jp', 'base64', japanese, '、'),
];
