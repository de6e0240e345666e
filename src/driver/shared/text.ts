// The alphabets of text messages, for drivers: they import nothing from kit themselves.
export {
  gsmDecode,
  gsmEncode,
  isGsm,
  ROOM,
  type Room,
  type Segmentation,
  segmentsOf,
  splitText,
  type TextEncoding,
} from '../../kit/gsm.js';
