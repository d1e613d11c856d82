/** The call itself is wrong: told in one sentence with a pointer to the help, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What the call points at is not there or cannot be used: told in one sentence, exit code 2. */
export class InputError extends Error {
  override readonly name = 'InputError';
}

/** The call was right and its answer is no, or it failed: told in one sentence, exit code 1. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}

/** Exit codes that scripts rely on: done or sound, refused or failed, wrong call. */
export const EXIT = { done: 0, refused: 1, wrongCall: 2 } as const;
