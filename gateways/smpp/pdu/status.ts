// command_status (SMPP 3.4, 5.1.3).
import smpp from 'smpp';

export const STATUS = {
  ok: 0x00,
  invalidLength: 0x02,
  invalidCommand: 0x03,
  invalidBindState: 0x04,
  alreadyBound: 0x05,
  systemError: 0x08,
  invalidPassword: 0x0e,
  invalidSystemId: 0x0f,
  queueFull: 0x14,
  throttled: 0x58,
  /** ESME_RX_T_APPN: a temporary error of ours. The SMSC keeps the message and delivers it again. */
  temporaryAppError: 0x64,
  /** ESME_RX_R_APPN: we reject the message. The SMSC drops it. */
  rejectedByApp: 0x66,
} as const;

const NAMES = new Map(Object.entries(smpp.errors).map(([name, code]) => [code, name]));

const MEANINGS = new Map<number, string>([
  [0x01, 'the message is too long'],
  [0x02, 'the length of the command is wrong'],
  [0x03, 'the command is not known there'],
  [0x04, 'not allowed in this bind state'],
  [0x05, 'the account is bound already'],
  [0x06, 'the priority is wrong'],
  [0x07, 'the request for receipts is wrong'],
  [0x08, 'system error'],
  [0x0a, 'the sender address is not allowed'],
  [0x0b, 'the recipient address is wrong'],
  [0x0c, 'the message id is not known there'],
  [0x0d, 'the bind failed'],
  [0x0e, 'the password is wrong'],
  [0x0f, 'the system id is wrong'],
  [0x14, 'the message queue is full'],
  [0x15, 'the service type is wrong'],
  [0x33, 'the number of destinations is wrong'],
  [0x42, 'the combination of submit options is wrong'],
  [0x43, 'the esm_class is wrong'],
  [0x45, 'the submission failed'],
  [0x48, 'the type of number of the sender is wrong'],
  [0x49, 'the numbering plan of the sender is wrong'],
  [0x50, 'the type of number of the recipient is wrong'],
  [0x51, 'the numbering plan of the recipient is wrong'],
  [0x53, 'the system type is wrong'],
  [0x58, 'more messages than the account may send'],
  [0x61, 'the delivery time is wrong'],
  [0x62, 'the validity period is wrong'],
  [0x64, 'temporary error at the receiver'],
  [0x65, 'permanent error at the receiver'],
  [0x66, 'rejected by the receiver'],
  [0x67, 'the query failed'],
  [0xfe, 'delivery failed'],
  [0xff, 'unknown error'],
]);

/** `ESME_RINVDSTADR (0x0000000B): the recipient address is wrong`. */
export function describeStatus(status: number): string {
  const hex = `0x${status.toString(16).toUpperCase().padStart(8, '0')}`;
  const name = NAMES.get(status);
  const meaning = MEANINGS.get(status) ?? 'a code of this SMSC only, see its documentation';
  return name ? `${name} (${hex}): ${meaning}` : `${hex}: ${meaning}`;
}

/** The SMSC asks us to slow down and send the same part later. */
export function isThrottling(status: number): boolean {
  return status === STATUS.throttled || status === STATUS.queueFull;
}

/** The SMSC did not take the message, for a reason that may pass. */
export function isTemporary(status: number): boolean {
  return (
    isThrottling(status) ||
    status === STATUS.systemError ||
    status === STATUS.temporaryAppError ||
    status === STATUS.invalidBindState
  );
}
