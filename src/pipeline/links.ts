/**
 * Makes the signed link of an attachment. Its lifetime counts from `issuedAt`, ms since the epoch; it has `days` at most,
 * and as long as attachments are stored when absent.
 */
export type LinkIssuer = (attachment: { id: string; name: string }, issuedAt: number, days?: number) => string;
