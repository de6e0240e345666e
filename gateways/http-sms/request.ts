// The request of a send: address, headers and body from the templates, every value escaped for its position.
import type { ComposedText } from '../../src/driver/contract.js';
import { type Escaper, escapes, fill, isVoid, namesIn, type Values } from './placeholders.js';
import type { HttpSmsSettings } from './settings.js';

export interface SendRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export function requestOf(settings: HttpSmsSettings, message: ComposedText, webhookUrl: string | null): SendRequest {
  const values = valuesOf(settings, message, webhookUrl);
  const url = new URL(fill(settings.SendUrl ?? '', values, escapes.url));
  const given = Object.entries(settings.Headers ?? {}).filter(([, value]) => !isVoid(value, values));
  const own = Object.fromEntries(
    given.map(([name, value]) => [name.toLowerCase(), fill(value, values, escapes.header)]),
  );
  const { body, type } = bodyOf(settings, values, own['content-type']);
  for (const [name, value] of settings.Method === 'GET' ? fieldsOf(settings, values) : [])
    url.searchParams.append(name, value);
  const headers = {
    accept: '*/*',
    'user-agent': 'Gatepost',
    ...(type ? { 'content-type': type } : {}),
    ...authorization(settings),
    ...own,
    ...(settings.Method === 'GET' ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
  };
  return { method: settings.Method, url, headers, body };
}

function valuesOf(settings: HttpSmsSettings, message: ComposedText, webhookUrl: string | null): Values {
  return {
    to: message.to,
    from: message.from ?? '',
    text: message.text,
    reference: message.reference,
    'dlr-url': settings.ReceiptFrom && webhookUrl ? `${webhookUrl}/receipt` : '',
    encoding: settings.EncodingWords?.[message.encoding] ?? message.encoding,
    segments: String(message.segments),
    user: settings.User ?? '',
    password: settings.Password ?? '',
    token: settings.Token ?? '',
    secret: settings.Secret ?? '',
  };
}

function bodyOf(settings: HttpSmsSettings, values: Values, type: string | undefined): { body: string; type?: string } {
  const { Method, BodyTemplate, FormTemplate } = settings;
  if (Method === 'GET') return { body: '' };
  if (FormTemplate) {
    const body = new URLSearchParams(fieldsOf(settings, values)).toString();
    return { body, type: 'application/x-www-form-urlencoded' };
  }
  if (typeof BodyTemplate === 'object')
    return { body: JSON.stringify(filled(BodyTemplate, values)), type: 'application/json' };
  const text = type ?? 'text/plain; charset=utf-8';
  return { body: fill(BodyTemplate ?? '', values, escapeFor(text)), ...(BodyTemplate ? { type: text } : {}) };
}

function fieldsOf({ FormTemplate = {} }: HttpSmsSettings, values: Values): [string, string][] {
  return Object.entries(FormTemplate)
    .filter(([, value]) => !isVoid(value, values))
    .map(([name, value]) => [name, fill(value, values, escapes.none)]);
}

/** The template as it is, its texts filled in; members that come out without a value are left out. */
function filled(template: unknown, values: Values): unknown {
  if (typeof template === 'string') return fill(template, values, escapes.none);
  if (Array.isArray(template)) return template.map((item) => filled(item, values));
  if (typeof template !== 'object' || template === null) return template;
  const members = Object.entries(template).filter(([, value]) => !isVoid(value, values));
  return Object.fromEntries(members.map(([name, value]) => [name, filled(value, values)]));
}

function escapeFor(type: string): Escaper {
  if (/json/i.test(type)) return escapes.json;
  if (/xml|html/i.test(type)) return escapes.xml;
  if (/x-www-form-urlencoded/i.test(type)) return escapes.url;
  return escapes.none;
}

/** Credentials that a template contains are not sent a second time. */
function authorization(settings: HttpSmsSettings): Record<string, string> {
  const { User, Password, Token, SendUrl, Headers, BodyTemplate, FormTemplate } = settings;
  const used = namesIn([SendUrl, Headers, BodyTemplate, FormTemplate]);
  if (Token && !used.has('token')) return { authorization: `Bearer ${Token}` };
  if (!User || used.has('user') || used.has('password')) return {};
  return { authorization: `Basic ${Buffer.from(`${User}:${Password ?? ''}`).toString('base64')}` };
}
