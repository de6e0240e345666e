// The alphabets of text messages, for drivers: they import nothing from kit themselves.
export {
  gsmDecode,
  gsmEncode,
  isGsm,
  ROOM,
  type Room,
  segmentsOf,
  splitText,
} from '../../kit/gsm.js';
