import { domainToASCII } from 'node:url';

/**
 * `recipients` holds addresses and whole domains; an empty list accepts every address. Postmaster without a domain, at
 * `host` and at every domain of the list is always accepted (RFC 5321 4.5.1).
 */
export function accepts(recipients: readonly string[], address: string, host: string): boolean {
  if (recipients.length === 0) return true;
  const wanted = partsOf(address);
  const wantedDomain = wanted.domain;
  const entries = recipients.map((entry) =>
    entry.includes('@') ? partsOf(entry) : { local: '', domain: domainOf(entry) },
  );
  const postmaster = wanted.local === 'postmaster';
  if (postmaster && (wantedDomain === '' || wantedDomain === domainOf(host))) return true;
  return entries.some(
    ({ local, domain }) => domain === wantedDomain && (local === '' || local === wanted.local || postmaster),
  );
}

/** Lower case, the local part without its quotes; a name without a domain has an empty one. */
function partsOf(address: string): { local: string; domain: string } {
  const at = address.lastIndexOf('@');
  const local = (at < 0 ? address : address.slice(0, at)).toLowerCase();
  const quoted = /^"(.*)"$/.exec(local)?.[1];
  return { local: quoted?.replace(/\\(.)/g, '$1') ?? local, domain: at < 0 ? '' : domainOf(address.slice(at + 1)) };
}

/** In lower case and ASCII, without the dot of the root. */
function domainOf(name: string): string {
  const domain = name.toLowerCase().replace(/\.$/, '');
  return domainToASCII(domain) || domain;
}
