import { settingsSchema } from '../../src/driver/settings.js';
import { rules } from './rules.js';
import { shape } from './setting-shape.js';

export type { HttpSmsSettings } from './setting-shape.js';

export const settings = settingsSchema(shape, rules);
