import type { z } from 'zod';

/** Everything wrong with a value, one readable clause per problem: `RemoteAddress: expected string, received number`. */
export function problemsOf(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join('.') || 'content'}: ${issue.message}`).join('; ');
}
