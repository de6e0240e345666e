export interface OptOut {
  group: string;
  address: string;
  at: number;
  /** keyword: the recipient wrote STOP; carrier: the counterparty says so; operator: entered on the command line. */
  source: 'keyword' | 'carrier' | 'operator';
  detail: string | null;
}

/** Recipients that do not want messages from a group of gateways. Addresses are compared as they are, so give them in E.164. */
export interface OptOuts {
  /** False when the address had opted out already; then the first entry stays. */
  optOut(entry: OptOut): Promise<boolean>;
  /** False when there was nothing to take back. */
  optIn(group: string, address: string): Promise<boolean>;
  optedOut(group: string, address: string): Promise<OptOut | null>;
  /** Of one group or of all, by group and address. */
  optOuts(group?: string): Promise<readonly OptOut[]>;
}
