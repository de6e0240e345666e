// `gatepost oauth`: a person gives consent once, and the refresh token is written into the secrets folder, under the name that
// the gateway's settings refer to.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.js';
import { isRecord } from '../driver/settings.js';
import { httpClient } from '../driver/shared/http-client.js';
import { type Consent, type ConsentDeps, consentByBrowser, consentByDevice } from '../driver/shared/oauth/consent.js';
import { oauthSettings } from '../driver/shared/oauth/settings.js';
import { GatepostError } from '../kit/errors.js';
import type { GatewayInfo } from '../model/message.js';
import { parseDevice } from '../simprot/device.js';
import { gatewaysOf, matching } from './gateway-list.js';
import type { Output } from './output.js';
import type { TestDeps } from './test-gateway.js';

export interface OAuthOptions {
  direction?: string;
  /** Sign in with a browser on this machine. */
  browser?: boolean;
}

/** Consents are waited for this long, ms. */
const PATIENCE_MS = 15 * 60_000;

export async function oauthCommand(
  name: string,
  options: OAuthOptions,
  config: Config,
  deps: TestDeps,
  { out, say }: Output,
  stop: AbortSignal,
): Promise<number> {
  const [info] = matching(await gatewaysOf(config, deps), name, options.direction);
  if (!info) return 1;
  const { consent, secret, device } = await consentOf(info, deps);
  const late = new AbortController();
  const disarm = deps.clock.schedule(PATIENCE_MS, () => late.abort(new Error('no consent within 15 minutes')));
  const network = deps.policy.network(device);
  const consentDeps: ConsentDeps = {
    clock: deps.clock,
    http: httpClient({ network }),
    signal: AbortSignal.any([stop, late.signal]),
    show: say,
  };
  // Google does not allow mail with device codes (https://developers.google.com/identity/protocols/oauth2/limited-input-device).
  const byBrowser = options.browser === true || consent.settings.Provider === 'Google';
  try {
    const token = await (byBrowser ? consentByBrowser : consentByDevice)(consent, consentDeps);
    const path = writeSecret(config.secretsDir, secret, token);
    out(
      `The refresh token is in ${path}.\nRestart Gatepost, or save the gateway again, so that it signs in with it.\n`,
    );
    return 0;
  } finally {
    disarm();
  }
}

interface FoundConsent {
  readonly consent: Consent;
  /** The file in the secrets folder. */
  readonly secret: string;
  readonly device: string;
}

async function consentOf(info: GatewayInfo, deps: TestDeps): Promise<FoundConsent> {
  const called = info.DisplayName ?? info.Id;
  const device = parseDevice(info.Device);
  if (!device.ok) throw unusable(called, device.message);
  const driver = await deps.drivers[device.type.toLowerCase()]?.();
  const purpose = driver?.oauthPurpose;
  if (!purpose) throw unusable(called, `the device ${device.type} does not sign in with OAuth2`);
  const written = member(device.settings, 'OAuth2');
  if (!isRecord(written)) throw unusable(called, 'its settings have no OAuth2');
  const secret = /^\$\{file:([A-Za-z0-9_-][A-Za-z0-9._-]*)\}$/.exec(String(member(written, 'RefreshToken') ?? ''))?.[1];
  if (!secret)
    throw unusable(
      called,
      'RefreshToken under OAuth2 must name a file of the secrets folder, for example "${file:support-refresh-token}"',
    );
  const parsed = oauthSettings.parse(withSecrets(written, deps));
  if (!parsed.ok)
    throw unusable(called, parsed.problems.map(({ setting, message }) => `OAuth2.${setting} ${message}`).join('; '));
  if (parsed.settings.Flow !== 'RefreshToken')
    throw unusable(called, `the flow ${parsed.settings.Flow} needs no consent of a person`);
  const user = String(member(device.settings, 'User') ?? member(device.settings, 'Mailbox') ?? '');
  return { consent: { settings: parsed.settings, purpose, user }, secret, device: device.type };
}

/** The refresh token is about to come, so its file need not exist yet. */
function withSecrets(
  written: Readonly<Record<string, unknown>>,
  { secrets, redactor }: TestDeps,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(written).map(([as, value]) => {
      if (as.toLowerCase() === 'refreshtoken' || typeof value !== 'string') return [as, value];
      const resolved = secrets.resolve(value);
      if (resolved !== value) redactor.add(resolved);
      return [as, resolved];
    }),
  );
}

function member(record: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.entries(record).find(([as]) => as.toLowerCase() === name.toLowerCase())?.[1];
}

function unusable(gateway: string, why: string): GatepostError {
  return new GatepostError('oauth/settings', `gateway "${gateway}" cannot be given a consent: ${why}`, {
    advice: 'Correct its Device, check it with "gatepost check" and run this command again.',
  });
}

/** Whole or not at all: the service may read it at any time. */
function writeSecret(folder: string, name: string, secret: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, name);
  writeFileSync(`${path}.new`, `${secret}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return path;
}
