// Owns the far side of the worker thread that reads the bodies of long orders.
import { type BodyResult, bodyOf, type Written } from './body.js';

export default function bodyInWorker(order: Written): BodyResult {
  return bodyOf(order);
}
