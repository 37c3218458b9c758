/** Deeper than any file that is read here is meant to be; what walks the parsed value may then call itself without running out of stack. */
const MOST_DEPTH = 64;

/** JSON with a bound on its depth; a byte order mark is skipped. @throws SyntaxError, or RangeError where it is deeper. */
export function parseJson(text: string): unknown {
  const content = text.startsWith('\ufeff') ? text.slice(1) : text;
  if (depthOf(content) > MOST_DEPTH) throw new RangeError(`it is nested more than ${MOST_DEPTH} deep`);
  return JSON.parse(content) as unknown;
}

/** Of the brackets outside of strings. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length && deepest <= MOST_DEPTH; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === BACKSLASH) i++;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) deepest = Math.max(deepest, ++depth);
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--;
  }
  return deepest;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
