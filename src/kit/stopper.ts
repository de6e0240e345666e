import { setMaxListeners } from 'node:events';

/** Node warns of a leak at eleven listeners; a window of waiting messages rightly has hundreds on one signal. */
export function stopper(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
