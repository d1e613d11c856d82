/** Texts of one parser that are remembered; beyond, all are forgotten. With what they mean, some 200 bytes each. */
const MOST_TEXTS = 1_024;

/** A parser of short texts that remembers what they meant: a cluster's policies are written with a few dozen. */
export function remembered<T>(parse: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const former = known.get(text);
    if (former !== undefined) return former;
    const meaning = parse(text);
    if (known.size >= MOST_TEXTS) known.clear();
    known.set(text, meaning);
    return meaning;
  };
}
