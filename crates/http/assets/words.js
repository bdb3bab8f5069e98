// The words that scripts need come in front of every bundle as WORDS.

export function word(key, values = {}) {
  const text = WORDS[key] ?? WORDS.unknown;
  return text.replace(/\{ \$(\w+) \}/g, (_, name) => values[name] ?? "");
}
