// The alphabets of text messages, for drivers: they import nothing from kit themselves.
export {
  gsmDecode,
  gsmEncode,
  isGsm,
  isSeptets,
  ROOM,
  type Room,
  type Shift,
  segmentsOf,
  splitText,
} from '../../kit/gsm.js';
