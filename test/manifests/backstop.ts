/** The CEL of `MAY_REACH_CHECKPOINT`, step by step; the tests against a real API server show that they agree. */
export function mayReachCheckpoint(path: string): boolean {
  const segments = path.split('/');
  if (!segments.includes('checkpoint')) return false;
  if (segments.includes('..')) return true;
  return segments.filter((segment) => segment !== '' && segment !== '.')[0] === 'checkpoint';
}
