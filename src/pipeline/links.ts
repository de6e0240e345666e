/** Makes the signed link of an attachment. Its lifetime counts from `issuedAt`, ms since the epoch. */
export type LinkIssuer = (attachment: { id: string; name: string }, issuedAt: number) => string;
