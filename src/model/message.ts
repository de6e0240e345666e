// The messages of the published interface as every floor of the code sees them.
// Source: FrontStage, "WebSite module integration", section "API for external messaging applications".

export const CHANNELS = ['Email', 'SMS', 'Fax', 'SocialMsg', 'SocialWall'] as const;

export type Channel = (typeof CHANNELS)[number];

export type Direction = 'I' | 'O';

/** Longest values, in UTF-16 code units, of the members of MessageContentInfo. */
export const LIMITS = {
  DeliverySystemId: 80,
  InReplyToId: 80,
  FromField: 160,
  RemoteAddress: 250,
  ToField: 320,
  ToCcField: 320,
  ToBccField: 320,
  SubjectField: 320,
} as const;

/** One message as it travels, in either direction. A member that is absent counts as null. */
export interface MessageContentInfo {
  DeliverySystemId?: string | null | undefined;
  InReplyToId?: string | null | undefined;
  MessageId?: string | null | undefined;
  RequestId?: string | null | undefined;
  GatewayId: string;
  FromField?: string | null | undefined;
  RemoteAddress?: string | null | undefined;
  ToField?: string | null | undefined;
  ToCcField?: string | null | undefined;
  ToBccField?: string | null | undefined;
  Direction?: string | null | undefined;
  ExtendedFields?: string | null | undefined;
  ReceivedSentTime?: string | null | undefined;
  DraftTime?: string | null | undefined;
  SubjectField?: string | null | undefined;
  BodyHtml?: string | null | undefined;
  BodyText?: string | null | undefined;
  Culture?: string | null | undefined;
  Mark?: number | null | undefined;
  SpamLevel?: number | null | undefined;
  SignatureValidity?: number | null | undefined;
  Hierarchy?: number | null | undefined;
  Rating?: number | null | undefined;
}

/** The short answer MSG of both directions. */
export interface CommandInfo {
  Id?: string | null | undefined;
  RefId?: string | null | undefined;
  TimeStamp?: string | null | undefined;
  Reference?: string | null | undefined;
  Data?: string | null | undefined;
}

/** One gateway and one direction of it, as the server lists it. */
export interface GatewayInfo {
  Id: string;
  DisplayName?: string | null | undefined;
  PeerAddress?: string | null | undefined;
  PeerPort?: string | null | undefined;
  Channel: Channel;
  Direction: Direction;
  /** Device type word, blank, JSON settings: `ImapHost { "Host": "mail.example.com" }`. */
  Device: string;
  LanguageId?: string | null | undefined;
}
