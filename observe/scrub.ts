const CENSORED = '[redacted]';

/** A JSON string's inside. */
const INSIDE = String.raw`(?:[^"\\]|\\.)*`;

/** What fields are called that hold a secret, whatever it looks like. */
const SECRET_NAMES =
  'token|password|passwd|secret|authorization|cookie|set-cookie|client-key-data|clientKeyData|bearerToken|apiKey';

const SECRET_FIELDS = new RegExp(String.raw`"((?:[\w-]*[-_])?(?:${SECRET_NAMES}))":"${INSIDE}"`, 'gi');

/** What is secret by its look. */
const SECRETS: readonly RegExp[] = [
  // A JSON web token: service accounts have these.
  /eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|(?="))/gs,
];
const BEARER = /\b(Bearer|Basic) +[\w.~+/-]{8,}=*/gi;

/** Some word of each of these: most lines hold none, and are looked through once in place of four times. */
const SUSPECT = new RegExp(`${SECRET_NAMES}|bearer|basic|eyJ|PRIVATE KEY`, 'i');

/** Takes secrets out of one line of JSON, and leaves JSON. */
export function scrub(line: string): string {
  if (!SUSPECT.test(line)) return line;
  let clean = line.replace(SECRET_FIELDS, `"$1":"${CENSORED}"`).replace(BEARER, `$1 ${CENSORED}`);
  for (const secret of SECRETS) clean = clean.replace(secret, CENSORED);
  return clean;
}
