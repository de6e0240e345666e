import { domainToASCII } from 'node:url';

/** `recipients` holds addresses and whole domains; an empty list accepts every address. */
export function accepts(recipients: readonly string[], address: string): boolean {
  const wanted = normal(address);
  const domain = wanted.slice(wanted.lastIndexOf('@') + 1);
  return recipients.length === 0 || recipients.map(normal).some((entry) => entry === wanted || entry === domain);
}

/** Lower case, the domain in its ASCII form, a leading @ of a domain taken away. */
function normal(address: string): string {
  const at = address.lastIndexOf('@') + 1;
  const domain = address.slice(at).toLowerCase();
  return (at > 1 ? address.slice(0, at).toLowerCase() : '') + (domainToASCII(domain) || domain);
}
