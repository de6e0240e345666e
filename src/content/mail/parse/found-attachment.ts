/** An attachment that has no id yet. */
export interface FoundAttachment {
  readonly name: string;
  readonly type: string;
  readonly bytes: Buffer;
}
