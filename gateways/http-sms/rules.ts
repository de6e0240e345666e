// Rules that involve several settings of HttpSms.
import type { SettingProblem } from '../../src/driver/settings.js';
import { textProblems } from '../../src/driver/shared/text-settings.js';
import { namesIn, wrongPlaceholder } from './placeholders.js';
import { coversUrl } from './schemas.js';
import type { HttpSmsSettings } from './setting-shape.js';

/** These belong to the connection or follow from the body. */
const RESERVED = ['host', 'content-length', 'transfer-encoding', 'connection', 'expect', 'upgrade', 'te', 'trailer'];
const HEADER_NAME = /^[!#$%&'*+.^_`|~\w-]+$/;

export function rules(settings: HttpSmsSettings): SettingProblem[] {
  return [
    ...sending(settings),
    ...headers(settings),
    ...templates(settings),
    ...credentials(settings),
    ...pushing(settings),
    ...textProblems(settings),
  ];
}

function sending(settings: HttpSmsSettings): SettingProblem[] {
  const { SendUrl, Method, BodyTemplate, FormTemplate, Headers, ReceiveFrom, ReceiptFrom } = settings;
  if (SendUrl === undefined) {
    const idle = Object.entries({ Headers, BodyTemplate, FormTemplate, ReceiptFrom }).filter(([, value]) => value);
    const problems = idle.map(([setting]) => problem(setting, 'has no effect without SendUrl'));
    return ReceiveFrom || problems.length > 0
      ? problems
      : [problem('SendUrl', 'is missing, and so is ReceiveFrom: at least one direction has to be described')];
  }
  if (BodyTemplate && FormTemplate)
    return [problem('FormTemplate', 'cannot stand beside BodyTemplate: a message has one body')];
  if (BodyTemplate && Method === 'GET')
    return [problem('BodyTemplate', 'cannot be sent with Method GET: use FormTemplate, or Method POST')];
  const used = namesIn([SendUrl, BodyTemplate, FormTemplate, Headers]);
  const missing = ['to', 'text'].filter((name) => !used.has(name)).map((name) => `{${name}}`);
  if (missing.length === 0) return [];
  const place = FormTemplate || Method === 'GET' ? 'FormTemplate' : 'BodyTemplate';
  return [problem(place, `never says ${missing.join(' and ')}, and SendUrl does not either: nothing would be sent`)];
}

function headers({ Headers = {}, FormTemplate, Method }: HttpSmsSettings): SettingProblem[] {
  const names = Object.keys(Headers).map((name) => name.toLowerCase());
  const wrong = names.find((name) => !HEADER_NAME.test(name));
  if (wrong !== undefined) return [problem('Headers', `has "${wrong}", which is not a name of a header`)];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice) return [problem('Headers', `has ${twice} twice`)];
  const reserved = names.find((name) => RESERVED.includes(name));
  if (reserved) return [problem('Headers', `cannot set ${reserved}: it is made for each request`)];
  if (FormTemplate && Method !== 'GET' && names.includes('content-type'))
    return [problem('Headers', 'cannot set content-type beside FormTemplate, which is always sent as a form')];
  if (Object.values(Headers).some((value) => /[^\x20-\x7e]/.test(value)))
    return [problem('Headers', 'holds a character that cannot stand in a header: printable ASCII only')];
  return [];
}

function templates(settings: HttpSmsSettings): SettingProblem[] {
  return (['SendUrl', 'Headers', 'BodyTemplate', 'FormTemplate'] as const).flatMap((name) => {
    const wrong = wrongPlaceholder(settings[name]);
    return wrong ? [problem(name, wrong)] : [];
  });
}

function credentials({ User, Password, Token, Headers = {}, ...settings }: HttpSmsSettings): SettingProblem[] {
  const used = namesIn([settings.SendUrl, settings.BodyTemplate, settings.FormTemplate, Headers]);
  const given = { user: User, password: Password, token: Token, secret: settings.Secret };
  const missing = Object.entries(given).flatMap(([name, value]) =>
    used.has(name) && value === undefined
      ? [
          problem(
            name.replace(/^./, (letter) => letter.toUpperCase()),
            `is missing: a template says {${name}}`,
          ),
        ]
      : [],
  );
  if (missing.length > 0) return missing;
  if (Password && !User && !used.has('password'))
    return [problem('User', 'is missing: Password is given, so a user is needed')];
  if (User && !Password && !used.has('user'))
    return [problem('Password', 'is missing: User is given, so a password is needed')];
  const both = User && Token && !used.has('user') && !used.has('password') && !used.has('token');
  return both ? [problem('Token', 'cannot stand beside User: a request has one authorization')] : [];
}

function pushing({ ReceiveFrom, ReceiptFrom, Authenticate, Secret }: HttpSmsSettings): SettingProblem[] {
  if (!ReceiveFrom && !ReceiptFrom)
    return Authenticate ? [problem('Authenticate', 'has no effect without ReceiveFrom or ReceiptFrom')] : [];
  if (!Authenticate)
    return [problem('Authenticate', 'is missing: without it any sender could push messages and receipts')];
  if (!Secret) return [problem('Secret', 'is missing: Authenticate needs it')];
  if (Authenticate.Kind === 'Secret' && Boolean(Authenticate.Header) === Boolean(Authenticate.Query))
    return [problem('Authenticate', 'of Kind "Secret" needs either Header or Query')];
  if (Authenticate.Kind !== 'Hmac') return [];
  // An attacker who has seen one request can change the parts that the signature does not cover.
  const covered = coversUrl(Authenticate) ? /^(?:json|form|query):/ : /^(?:json|form):/;
  if (Authenticate.Timestamp !== undefined && Authenticate.Signed?.includes('{timestamp}') === false)
    return [problem('Authenticate', 'has a Timestamp that Signed does not contain, so anybody could change it')];
  if (Authenticate.Timestamp === undefined && Authenticate.Signed?.includes('{timestamp}'))
    return [problem('Authenticate', 'says {timestamp} in Signed, but not in which header it is (Timestamp)')];
  return Object.entries({ ReceiveFrom, ReceiptFrom }).flatMap(([name, paths]) => {
    const open = Object.values(paths ?? {}).find((path) => isPath(path) && !covered.test(path));
    return open ? [problem(name, `reads "${open}", which the signature of Authenticate does not cover`)] : [];
  });
}

const isPath = (value: unknown): value is string =>
  typeof value === 'string' && /^(?:json|form|query|header):/.test(value);

const problem = (setting: string, message: string): SettingProblem => ({ setting, message });
