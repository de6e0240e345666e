// Owns the way of drivers to the alphabets of short messages.
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
